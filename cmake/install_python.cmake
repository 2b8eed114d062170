# PREFIX/python: the package pyminisandbox with the libraries inside, from where Python imports it
# (PYTHONPATH) and wheels are built. `cmake --install BUILD --component python` leaves this alone.
set(_mini_python "python")
file(STRINGS "${PROJECT_SOURCE_DIR}/src/python/pyminisandbox/__init__.py" _version
  REGEX "^__version__ = \"${PROJECT_VERSION}\"$")
if(NOT _version)
  message(FATAL_ERROR "the __version__ of src/python/pyminisandbox is not ${PROJECT_VERSION}")
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/python/pyminisandbox/__init__.py")
install(FILES
  "${PROJECT_SOURCE_DIR}/src/python/pyproject.toml"
  "${PROJECT_SOURCE_DIR}/src/python/setup.py"
  "${PROJECT_SOURCE_DIR}/src/python/MANIFEST.in"
  "${PROJECT_SOURCE_DIR}/src/python/README.md"
  "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION "${_mini_python}" COMPONENT python)
mini_install_copyrights("${_mini_python}/licenses" COMPONENT python)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/src/python/pyminisandbox" DESTINATION "${_mini_python}"
  COMPONENT python FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "no_rules" PATTERN "__pycache__" EXCLUDE)

# By the name that has no version, as files: a wheel has no symlinks.
foreach(kind IN ITEMS sandbox tapbox)
  if(NOT TARGET mini_${kind}_shared)
    continue()
  endif()
  set(_library "${_mini_python}/pyminisandbox/libmini-${kind}.so")
  install(FILES "$<TARGET_FILE:mini_${kind}_shared>" DESTINATION "${_mini_python}/pyminisandbox"
    COMPONENT python RENAME "libmini-${kind}.so")
  install(CODE "
    execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-unneeded
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${_library}\" COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT python)
endforeach()
