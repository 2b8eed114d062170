# third_party::idn2: libidn2.a and libunistring.a of Debian's packages, for names of rules that are
# not ASCII; the sandbox's binaries are static.
set(IDN2_ROOT "" CACHE PATH
  "Prefix of libidn2 and libunistring with static archives, instead of Debian's")
find_library(IDN2_LIBRARY libidn2.a HINTS "${IDN2_ROOT}" PATH_SUFFIXES lib)
find_library(UNISTRING_LIBRARY libunistring.a HINTS "${IDN2_ROOT}" PATH_SUFFIXES lib)
find_path(IDN2_INCLUDE_DIR idn2.h HINTS "${IDN2_ROOT}" PATH_SUFFIXES include)
mark_as_advanced(IDN2_LIBRARY UNISTRING_LIBRARY IDN2_INCLUDE_DIR)
if(NOT IDN2_LIBRARY OR NOT UNISTRING_LIBRARY OR NOT IDN2_INCLUDE_DIR)
  message(FATAL_ERROR "third_party: libidn2.a, libunistring.a or idn2.h is missing: "
    "apt-get install libidn2-dev libunistring-dev, or give -DIDN2_ROOT=PREFIX")
endif()
cmake_path(GET IDN2_INCLUDE_DIR PARENT_PATH _idn2_prefix)
mini_copyright(libidn2 "${_idn2_prefix}/share/doc/libidn2*/copyright")
mini_copyright(libunistring "${_idn2_prefix}/share/doc/libunistring*/copyright")
add_library(third_party::idn2 STATIC IMPORTED GLOBAL)
set_target_properties(third_party::idn2 PROPERTIES
  IMPORTED_LOCATION "${IDN2_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${IDN2_INCLUDE_DIR}"
  INTERFACE_LINK_LIBRARIES "${UNISTRING_LIBRARY}")
