# The copyright texts of what is linked into the programs, found where each part itself was found,
# for cmake/install_rules.cmake to install: who passes on a static program passes them on as well.
set_property(GLOBAL PROPERTY MINI_COPYRIGHT_NAMES "")
set_property(GLOBAL PROPERTY MINI_COPYRIGHT_FILES "")

# mini_copyright(NAME PATTERN...): the first file that matches a PATTERN (file(GLOB)) is NAME's text.
function(mini_copyright name)
  file(GLOB found ${ARGN})
  if(NOT found)
    string(JOIN " or " patterns ${ARGN})
    message(WARNING "third_party: no copyright text of ${name}: no ${patterns}. What is installed "
      "lacks it: add it before you pass the programs on.")
    return()
  endif()
  list(GET found 0 file)
  set_property(GLOBAL APPEND PROPERTY MINI_COPYRIGHT_NAMES "${name}")
  set_property(GLOBAL APPEND PROPERTY MINI_COPYRIGHT_FILES "${file}")
endfunction()

# mini_install_copyrights(DESTINATION [OPTION...]): each as DESTINATION/NAME; and in
# DESTINATION/common-licenses the licences that Debian's texts refer to instead of having them.
# OPTION...: of install(FILES).
function(mini_install_copyrights destination)
  get_property(names GLOBAL PROPERTY MINI_COPYRIGHT_NAMES)
  get_property(files GLOBAL PROPERTY MINI_COPYRIGHT_FILES)
  set(all_referred)
  foreach(name file IN ZIP_LISTS names files)
    install(FILES "${file}" DESTINATION "${destination}" RENAME "${name}" ${ARGN})
    file(READ "${file}" text)
    string(REGEX MATCHALL "/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]" referred "${text}")
    list(APPEND all_referred ${referred})
  endforeach()
  list(REMOVE_DUPLICATES all_referred)
  foreach(license IN LISTS all_referred)
    file(REAL_PATH "${license}" file)  # GPL is a link to the newest
    cmake_path(GET license FILENAME name)
    install(FILES "${file}" DESTINATION "${destination}/common-licenses" RENAME "${name}"
      ${ARGN})
  endforeach()
endfunction()

# Debian's packages, which the static archives and headers of the system come from.
mini_copyright(nlohmann-json /usr/share/doc/nlohmann-json3-dev/copyright)
# In the programs only of a static build, but in the libraries, which carry a static program, always.
mini_copyright(glibc /usr/share/doc/libc6-dev/copyright)
mini_copyright(libstdc++ /usr/share/doc/libstdc++-*-dev/copyright)
