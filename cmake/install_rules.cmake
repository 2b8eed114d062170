# What `cmake --install BUILD --prefix DIR` leaves, stripped whether or not --strip was given.
include(GNUInstallDirs)
install(CODE "set(CMAKE_INSTALL_DO_STRIP TRUE)")
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
