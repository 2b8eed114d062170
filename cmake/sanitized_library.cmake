# The library under sanitizers, for the clients of tests/capi only (tests/sanitizers/run): linked as
# everything else is, not as one object, since their runtime belongs into the program.
#
# The supervisor that it carries is static, which sanitizers do not go with: it comes from a build
# without them, where it is the same target.
set(MINI_SUPERVISOR "${PROJECT_SOURCE_DIR}/build/dev/src/capi/mini-sandbox-supervisor.stripped"
  CACHE FILEPATH "With MINI_SANITIZERS: mini-sandbox-supervisor.stripped of a build without them")
set_source_files_properties(carried_supervisor.S PROPERTIES
  OBJECT_DEPENDS "${MINI_SUPERVISOR}"
  COMPILE_DEFINITIONS "MINI_SUPERVISOR_FILE=\"${MINI_SUPERVISOR}\"")
mini_library(mini_capi SOURCES mini_sandbox.cc carried_supervisor.S
  DEPS mini_capi_settings PRIVATE_DEPS mini_sandbox_enter mini_sys)
add_library(mini_sandbox_static ALIAS mini_capi)

add_library(mini_sandbox_shared SHARED mini_sandbox.cc carried_supervisor.S)
target_link_libraries(mini_sandbox_shared PRIVATE
  mini_capi_settings mini_sandbox_enter mini_sys mini_compile_options)
# libidn2.a has symbols with versions, which ld(1) wants to find in the script. Where the library is
# made of one object they are local before it looks.
set(_map "${CMAKE_CURRENT_SOURCE_DIR}/libmini-sandbox.map")
file(READ "${_map}" _versions)
set(_sanitized_map "${CMAKE_CURRENT_BINARY_DIR}/libmini-sandbox.sanitized.map")
file(CONFIGURE OUTPUT "${_sanitized_map}" @ONLY CONTENT "${_versions}IDN2_0.0.0 {};\n")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${_map}")
target_link_options(mini_sandbox_shared PRIVATE "-Wl,--version-script=${_sanitized_map}")
set_target_properties(mini_sandbox_shared PROPERTIES
  OUTPUT_NAME mini-sandbox SOVERSION 1 LINK_DEPENDS "${_sanitized_map}")
foreach(library IN ITEMS mini_capi mini_sandbox_shared)
  target_include_directories(${library} INTERFACE "${PROJECT_SOURCE_DIR}/src/include")
  set_target_properties(${library} PROPERTIES EXCLUDE_FROM_ALL TRUE)
endforeach()
