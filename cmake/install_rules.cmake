# What `cmake --install BUILD --prefix DIR` leaves, stripped whether or not --strip was given.
include(GNUInstallDirs)
install(CODE "set(CMAKE_INSTALL_DO_STRIP TRUE)")
foreach(program IN ITEMS mini-sandbox mini-tapbox)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()
