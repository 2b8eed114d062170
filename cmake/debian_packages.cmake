# What `cpack -G DEB` makes of a release build: a package for each component of install_rules.cmake;
# and one for Python, which has its package where Debian's Python looks, and the libraries not in it. tests/install/debian.py builds, reads and installs them.
if(NOT TARGET mini_sandbox_shared OR MINI_SANITIZERS)
  return()
endif()

# mini_debian_package(COMPONENT NAME SECTION SYNOPSIS TEXT): with what a package has that the
# installed tree has not: a copyright text of its own, and all that this refers to.
function(mini_debian_package component name section synopsis text)
  string(TOUPPER "${component}" key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME "${name}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION "${section}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${synopsis}\n${text}" PARENT_SCOPE)

  file(READ "${PROJECT_SOURCE_DIR}/LICENSE" license)
  if(NOT component STREQUAL "module")  # which is no more than our own text
    string(APPEND license "
Parts of other projects are linked into what is in this package. Their texts are in the directory
/usr/share/doc/${name}/licenses.
")
  endif()
  set(copyright "${PROJECT_BINARY_DIR}/debian/${name}/copyright")
  file(CONFIGURE OUTPUT "${copyright}" @ONLY CONTENT "${license}")
  set(directory "${CMAKE_INSTALL_DATAROOTDIR}/doc/${name}")
  install(FILES "${copyright}" DESTINATION "${directory}" COMPONENT ${component} EXCLUDE_FROM_ALL)
  if(component MATCHES "library|devel")  # the programs' texts are in the installed tree
    mini_install_copyrights("${directory}/licenses" COMPONENT ${component} EXCLUDE_FROM_ALL)
  endif()
endfunction()

get_target_property(_soversion mini_sandbox_shared SOVERSION)
set(_library_package "libmini-sandbox${_soversion}")
mini_debian_package(programs mini-sandbox utils
  "run a command in a sandbox, behind an allow-list, without root"
  "mini-sandbox runs a command in new namespaces: the system read-only, HOME and
/tmp private, no network. mini-tapbox lets it reach what an allow-list names,
by a user-space TCP/IP stack. Neither needs root, a daemon or an image.")
mini_debian_package(library "${_library_package}" libs
  "the rest of a program in a sandbox: shared libraries"
  "For programs that go on confined after one call, without root; libmini-tapbox
gives them a network behind an allow-list. Each of the two libraries brings all
that it needs but the C library.")
mini_debian_package(devel libmini-sandbox-dev libdevel
  "the rest of a program in a sandbox: to build with"
  "Headers (C99, C++), static and shared libraries, pkg-config and CMake files.")
mini_debian_package(module python3-pyminisandbox python
  "the rest of a program in a sandbox: Python module"
  "Functions for the running program, and class Sandbox for commands in the manner
of subprocess.")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/src/python/pyminisandbox"
  DESTINATION lib/python3/dist-packages COMPONENT module EXCLUDE_FROM_ALL
  FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "no_rules"
  PATTERN "__pycache__" EXCLUDE)

set(CPACK_PACKAGE_NAME mini-sandbox)
set(CPACK_PACKAGE_VENDOR "The mini-sandbox authors")
# Who builds packages for others puts their name and address here.
set(CPACK_PACKAGE_CONTACT "The mini-sandbox authors <mini-sandbox@localhost>" CACHE STRING
  "Maintainer of the packages, as `Name <address>`")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
  GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL programs library devel module)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# By dpkg-shlibdeps(1), which finds nothing to depend on in static programs.
if(NOT MINI_STATIC)
  set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SHLIBDEPS ON)
endif()
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
# The archive is C++ inside: whoever links it needs the C++ library's as well.
set(CPACK_DEBIAN_DEVEL_PACKAGE_DEPENDS
  "${_library_package} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}), libc6-dev")
set(CPACK_DEBIAN_DEVEL_PACKAGE_RECOMMENDS "libstdc++-dev")
# Its functions are those of this version's library.
set(CPACK_DEBIAN_MODULE_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_MODULE_PACKAGE_DEPENDS
  "python3 (>= 3.9), ${_library_package} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
include(CPack)
