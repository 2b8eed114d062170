# third_party::mnl: libmnl 1.0.5, static. Debian 12's libmnl-dev has no libmnl.a, Debian 13's has.
set(MNL_ROOT "" CACHE PATH
  "Prefix (include/libmnl/libmnl.h, lib/libmnl.a) of libmnl >= 1.0.4, instead of fetching it")
if(MNL_ROOT)
  set(_mnl_prefix "${MNL_ROOT}")
else()
  if(NOT CMAKE_LIBRARY_ARCHITECTURE STREQUAL "x86_64-linux-gnu")
    message(FATAL_ERROR "third_party: no libmnl.a is pinned for this architecture "
      "(${CMAKE_LIBRARY_ARCHITECTURE}): give -DMNL_ROOT=PREFIX")
  endif()
  set(_mnl_sha256 7f9a7c3f470ec400171981816df189ec86b11083c3f8d391d0800ed09a87bfc3)
  debian_file(_mnl_deb "libm/libmnl/libmnl-dev_1.0.5-3_amd64.deb" ${_mnl_sha256} MNL_ROOT=PREFIX)
  set(_mnl_dir "${PROJECT_BINARY_DIR}/third_party/mnl-${_mnl_sha256}")
  set(_mnl_prefix "${_mnl_dir}/usr")
  if(NOT EXISTS "${_mnl_dir}/complete")
    file(REMOVE_RECURSE "${_mnl_dir}")
    file(MAKE_DIRECTORY "${_mnl_dir}")
    find_program(DPKG_DEB_PROGRAM dpkg-deb REQUIRED)
    execute_process(COMMAND "${DPKG_DEB_PROGRAM}" -x "${_mnl_deb}" "${_mnl_dir}"
      COMMAND_ERROR_IS_FATAL ANY)
    file(TOUCH "${_mnl_dir}/complete")
  endif()
endif()
# Not cached: the answer follows MNL_ROOT.
find_library(_mnl_library libmnl.a NO_CACHE NO_DEFAULT_PATH PATHS "${_mnl_prefix}"
  PATH_SUFFIXES "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib lib64)
if(NOT _mnl_library OR NOT EXISTS "${_mnl_prefix}/include/libmnl/libmnl.h")
  message(FATAL_ERROR "third_party: ${_mnl_prefix} has no lib/libmnl.a or include/libmnl/libmnl.h "
    "(MNL_ROOT says where to look)")
endif()
add_library(third_party::mnl STATIC IMPORTED GLOBAL)
set_target_properties(third_party::mnl PROPERTIES
  IMPORTED_LOCATION "${_mnl_library}"
  INTERFACE_INCLUDE_DIRECTORIES "${_mnl_prefix}/include")
unset(_mnl_library)
mini_copyright(libmnl "${_mnl_prefix}/share/doc/libmnl*/copyright" "${_mnl_prefix}/share/doc/libmnl*/COPYING")
