# Files of Debian's archive, pinned by SHA-256, kept in a cache outside the build tree so that a
# second build needs no network.

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(_mini_cache "$ENV{XDG_CACHE_HOME}")
else()
  set(_mini_cache "$ENV{HOME}/.cache")
endif()
set(MINI_DOWNLOAD_CACHE "${_mini_cache}/mini-sandbox/third_party" CACHE PATH
  "Where downloaded third-party files are kept")

# debian_file(OUT POOL_PATH SHA256 INSTEAD): the path of the verified file in OUT. INSTEAD names the
# cache variable that makes the download unnecessary.
function(debian_file out pool_path sha256 instead)
  cmake_path(GET pool_path FILENAME name)
  set(file "${MINI_DOWNLOAD_CACHE}/${name}")
  if(EXISTS "${file}")
    file(SHA256 "${file}" actual)
    if(NOT actual STREQUAL sha256)
      message(STATUS "third_party: ${file} does not have the pinned hash, fetching it anew")
      file(REMOVE "${file}")
    endif()
  endif()
  if(NOT EXISTS "${file}")
    message(STATUS "third_party: fetching ${name}")
    execute_process(
      COMMAND "${PROJECT_SOURCE_DIR}/third_party/fetch" "${pool_path}" "${sha256}" "${file}"
      RESULT_VARIABLE result ERROR_VARIABLE error)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR
        "third_party: cannot fetch ${name}:\n${error}\n"
        "Without network, or on a system other than Debian, give it yourself: "
        "cmake -D${instead} (docs/building.md says which version), "
        "or put the file with SHA-256 ${sha256} at ${file}.")
    endif()
    file(SHA256 "${file}" actual)
    if(NOT actual STREQUAL sha256)
      message(FATAL_ERROR "third_party: ${file} has SHA-256 ${actual}, pinned is ${sha256}")
    endif()
  endif()
  set(${out} "${file}" PARENT_SCOPE)
endfunction()

# debian_source(OUT NAME ORIG ORIG_SHA256 DEBIAN DEBIAN_SHA256 INSTEAD): unpacks a source package
# into the build tree and applies its debian/patches/series, as dpkg-source does and nothing else.
# OUT is the unpacked directory.
function(debian_source out name orig orig_sha256 debian debian_sha256 instead)
  debian_file(orig_file "${orig}" "${orig_sha256}" "${instead}")
  debian_file(debian_file "${debian}" "${debian_sha256}" "${instead}")

  # Named by the hashes, so that a changed pin is a new directory.
  string(SUBSTRING "${orig_sha256}" 0 8 orig_id)
  string(SUBSTRING "${debian_sha256}" 0 8 debian_id)
  set(dir "${PROJECT_BINARY_DIR}/third_party/${name}-${orig_id}-${debian_id}")
  set(${out} "${dir}/source" PARENT_SCOPE)
  if(EXISTS "${dir}/complete")
    return()
  endif()

  find_program(PATCH_PROGRAM patch REQUIRED)
  file(REMOVE_RECURSE "${dir}")
  file(ARCHIVE_EXTRACT INPUT "${orig_file}" DESTINATION "${dir}/orig")
  file(ARCHIVE_EXTRACT INPUT "${debian_file}" DESTINATION "${dir}")
  file(GLOB top "${dir}/orig/*")
  list(LENGTH top count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "third_party: ${orig_file} holds ${count} top directories, not one")
  endif()
  file(RENAME "${top}" "${dir}/source")

  file(STRINGS "${dir}/debian/patches/series" series)
  foreach(patch IN LISTS series)
    if(patch MATCHES "^[ \t]*(#|$)")
      continue()
    endif()
    # The flags of dpkg-source: no fuzz, no questions.
    execute_process(
      COMMAND "${PATCH_PROGRAM}" -t -N -F0 -E -p1 -i "${dir}/debian/patches/${patch}"
      WORKING_DIRECTORY "${dir}/source"
      RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "third_party: ${name}: ${patch} does not apply:\n${output}")
    endif()
  endforeach()
  file(TOUCH "${dir}/complete")
endfunction()
