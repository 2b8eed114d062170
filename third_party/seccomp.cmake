# third_party::seccomp: libseccomp.a of Debian's libseccomp-dev; the sandbox's binaries are static.
set(SECCOMP_ROOT "" CACHE PATH "Prefix of a libseccomp with a static archive, instead of Debian's")
find_library(SECCOMP_LIBRARY libseccomp.a HINTS "${SECCOMP_ROOT}" PATH_SUFFIXES lib)
find_path(SECCOMP_INCLUDE_DIR seccomp.h HINTS "${SECCOMP_ROOT}" PATH_SUFFIXES include)
mark_as_advanced(SECCOMP_LIBRARY SECCOMP_INCLUDE_DIR)
if(NOT SECCOMP_LIBRARY OR NOT SECCOMP_INCLUDE_DIR)
  message(FATAL_ERROR "third_party: libseccomp.a or seccomp.h is missing: "
    "apt-get install libseccomp-dev, or give -DSECCOMP_ROOT=PREFIX")
endif()
add_library(third_party::seccomp STATIC IMPORTED GLOBAL)
set_target_properties(third_party::seccomp PROPERTIES
  IMPORTED_LOCATION "${SECCOMP_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${SECCOMP_INCLUDE_DIR}")
