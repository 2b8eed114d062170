# The libraries under sanitizers, for the clients of tests/capi only (tests/sanitizers/run): linked as
# everything else is, not as one object, since their runtime belongs into the program.
#
# The supervisors that they carry are static, which sanitizers do not go with: they come from a build
# without them, where they are the same targets.
set(MINI_SUPERVISORS "${PROJECT_BINARY_DIR}/../dev/src/capi"
  CACHE PATH "With MINI_SANITIZERS: src/capi of a build without them")

# mini_sanitized_library(NAME NETWORK), as mini_c_library()
function(mini_sanitized_library name network)
  set(carried "${MINI_SUPERVISORS}/mini-${name}-supervisor.stripped")
  set(bytes "${CMAKE_CURRENT_BINARY_DIR}/carried_${name}_supervisor.S")
  configure_file(carried_supervisor.S "${bytes}" COPYONLY)
  set_source_files_properties("${bytes}" PROPERTIES
    OBJECT_DEPENDS "${carried}"
    COMPILE_DEFINITIONS "MINI_SUPERVISOR_FILE=\"${carried}\"")
  # libidn2.a has symbols with versions, which ld(1) wants to find in the script. Where the library
  # is made of one object they are local before it looks.
  set(map "${CMAKE_CURRENT_SOURCE_DIR}/libmini-${name}.map")
  file(READ "${map}" versions)
  set(sanitized_map "${CMAKE_CURRENT_BINARY_DIR}/libmini-${name}.sanitized.map")
  file(CONFIGURE OUTPUT "${sanitized_map}" @ONLY CONTENT "${versions}IDN2_0.0.0 {};\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${map}")

  foreach(kind IN ITEMS SHARED STATIC)
    string(TOLOWER "${kind}" suffix)
    set(library mini_${name}_${suffix})
    add_library(${library} ${kind} ${MINI_CAPI_SOURCES} "${bytes}")
    target_compile_definitions(${library} PRIVATE MINI_LIBRARY_NETWORK=${network})
    target_link_libraries(${library} PRIVATE
      mini_capi_settings mini_capi_messages mini_sandbox_enter mini_sandbox_network mini_sys
      mini_compile_options)
    target_include_directories(${library} INTERFACE "${PROJECT_SOURCE_DIR}/src/include")
    set_target_properties(${library} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  endforeach()
  set(shared mini_${name}_shared)
  target_link_options(${shared} PRIVATE "-Wl,--version-script=${sanitized_map}")
  set_target_properties(${shared} PROPERTIES
    OUTPUT_NAME mini-${name} SOVERSION 1 LINK_DEPENDS "${sanitized_map}")
endfunction()

mini_sanitized_library(sandbox kLoopback)
mini_sanitized_library(tapbox kStack)
