# third_party::cares: c-ares 1.34.5 with Debian's security patches, static, without its event
# thread: netstack/dns drives its sockets from the stack's own loop.
set(CARES_SOURCE_DIR "" CACHE PATH "Source tree of c-ares 1.34.x, instead of fetching Debian's")
if(CARES_SOURCE_DIR)
  set(_cares_source "${CARES_SOURCE_DIR}")
else()
  debian_source(_cares_source cares
    "c/c-ares/c-ares_1.34.5.orig.tar.gz"
    7d935790e9af081c25c495fd13c2cfcda4792983418e96358ef6e7320ee06346
    "c/c-ares/c-ares_1.34.5-1+deb13u1.debian.tar.xz"
    f815c2a7bf9dade9e98ac06ecf19de05678d3bd8507e6c0e60e4187320b30be5
    CARES_SOURCE_DIR=DIR)
endif()
if(NOT EXISTS "${_cares_source}/src/lib/ares_process.c")
  message(FATAL_ERROR "third_party: ${_cares_source} is no c-ares source tree (CARES_SOURCE_DIR)")
endif()
mini_copyright(c-ares "${_cares_source}/LICENSE.md")

# In a function, so that the settings of its build stay its own.
function(_mini_add_cares)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # option() obeys the variables set here
  set(CARES_STATIC ON)
  set(CARES_SHARED OFF)
  set(CARES_STATIC_PIC ON)
  set(CARES_SYMBOL_HIDING ON)
  set(CARES_INSTALL OFF)
  set(CARES_BUILD_TOOLS OFF)
  set(CARES_BUILD_TESTS OFF)
  set(CARES_THREADS OFF)
  set(CMAKE_C_CLANG_TIDY "")
  set(CMAKE_COMPILE_WARNING_AS_ERROR OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS OFF)
  set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # its feature checks are many
  add_subdirectory("${_cares_source}" "${PROJECT_BINARY_DIR}/third_party/cares" EXCLUDE_FROM_ALL
    SYSTEM)
endfunction()
_mini_add_cares()
target_sources(c-ares PRIVATE "${CMAKE_CURRENT_LIST_DIR}/cares_no_services.c")
target_compile_definitions(c-ares PRIVATE
  getservbyname_r=mini_cares_getservbyname_r getservbyport_r=mini_cares_getservbyport_r)
# It turns on dozens of warnings for itself; they are not ours to mend.
target_compile_options(c-ares PRIVATE -w)
add_library(third_party::cares ALIAS c-ares)
