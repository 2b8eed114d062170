# What `cmake --install BUILD --prefix DIR` leaves, stripped whether or not --strip was given. Each
# component is a package (debian_packages.cmake): programs, library, devel.
include(GNUInstallDirs)
install(CODE "set(CMAKE_INSTALL_DO_STRIP TRUE)" ALL_COMPONENTS)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME programs)
foreach(program IN ITEMS mini-sandbox mini-tapbox)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

set(_mini_doc_dir "${CMAKE_INSTALL_DATAROOTDIR}/doc/mini-sandbox")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${_mini_doc_dir}")
mini_install_copyrights("${_mini_doc_dir}/licenses")

# A shell finds completions by the name of the program, so each program has its own copy.
foreach(program IN ITEMS mini-sandbox mini-tapbox)
  install(FILES "${PROJECT_SOURCE_DIR}/docs/man/${program}.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  install(FILES "${PROJECT_SOURCE_DIR}/completions/mini-sandbox.bash"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME ${program})
  install(FILES "${PROJECT_SOURCE_DIR}/completions/mini-sandbox.fish"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" RENAME ${program}.fish)
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/docs/man/mini-tapbox-rules.5"
  DESTINATION "${CMAKE_INSTALL_MANDIR}/man5")
install(FILES "${PROJECT_SOURCE_DIR}/completions/_mini-sandbox"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")

# The libraries, for find_package(mini_sandbox), pkg-config and whoever names the files.
if(NOT TARGET mini_sandbox_shared OR MINI_SANITIZERS)
  return()
endif()
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME devel)
install(TARGETS mini_sandbox_shared mini_sandbox_static mini_tapbox_shared mini_tapbox_static
  EXPORT mini_sandbox
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library NAMELINK_COMPONENT devel
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/src/include/mini_sandbox.h"
  "${PROJECT_SOURCE_DIR}/src/include/linux-sandbox-api.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
set(_mini_package "${CMAKE_INSTALL_LIBDIR}/cmake/mini_sandbox")
install(EXPORT mini_sandbox FILE mini_sandboxConfig.cmake NAMESPACE mini_sandbox::
  DESTINATION "${_mini_package}")
include(CMakePackageConfigHelpers)
write_basic_package_version_file(mini_sandboxConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mini_sandboxConfigVersion.cmake"
  DESTINATION "${_mini_package}")
# Relative to where the file lies, so that the tree may be moved.
file(RELATIVE_PATH _mini_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
foreach(_mini_linked IN ITEMS mini-sandbox mini-tapbox)
  set(_mini_library "lib${_mini_linked}")
  set(_mini_description "The rest of a program, in a sandbox")
  if(_mini_linked STREQUAL "mini-tapbox")
    string(APPEND _mini_description " behind an allow-list")
  endif()
  configure_file("${PROJECT_SOURCE_DIR}/cmake/library.pc.in" "${_mini_library}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${_mini_library}.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()

include(install_python)
