# How every object is compiled and every program linked, third-party code included: hardening,
# position independence, sanitizers. Warnings are not here: they are for our own code only
# (mini_targets.cmake). tests/install/hardening.py reads the result off the binaries.
include(CheckCXXCompilerFlag)
include(CheckCCompilerFlag)

option(MINI_STATIC "Link the programs as static-pie: one file that runs anywhere" OFF)
option(MINI_HARDENING "Compile and link with the hardening flags" ON)
option(MINI_LTO "Optimize at link time, across our code and lwIP's" OFF)
set(MINI_SANITIZERS "" CACHE STRING "Value of -fsanitize=, for example address,undefined")

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# Optimized in every build type: _FORTIFY_SOURCE does nothing otherwise. assert() lives in dev only.
# Not under sanitizers, which have no use for it: half the time to compile, and nothing optimized
# away before they see it. A fuzzer is worth what it tries in a second, so it is optimized.
if(MINI_SANITIZERS AND NOT MINI_SANITIZERS MATCHES "fuzzer")
  set(_mini_debug_flags "-O0 -g1")
else()
  set(_mini_debug_flags "-O1 -g")
endif()
set(CMAKE_C_FLAGS_DEBUG "${_mini_debug_flags}")
set(CMAKE_CXX_FLAGS_DEBUG "${_mini_debug_flags}")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

# A program may opt out of being position independent (test probes that are plainly static).
set(_mini_is_pie "$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>")
string(APPEND _mini_is_pie ",$<BOOL:$<TARGET_PROPERTY:POSITION_INDEPENDENT_CODE>>")
set(_mini_is_pie "$<AND:${_mini_is_pie}>")

add_compile_options(-ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)

# mini_add_flag_if_known(FLAG ...): the flags together, where the compiler knows them.
function(mini_add_flag_if_known)
  string(JOIN " " flags ${ARGN})
  string(MAKE_C_IDENTIFIER "MINI_KNOWS${flags}" variable)
  check_cxx_compiler_flag("${flags} -Werror" ${variable})
  if(${variable})
    add_compile_options(${ARGN})
  endif()
endfunction()

if(MINI_SANITIZERS)
  if(MINI_STATIC)
    message(FATAL_ERROR "MINI_SANITIZERS does not go with MINI_STATIC")
  endif()
  add_compile_options(-fsanitize=${MINI_SANITIZERS} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MINI_SANITIZERS})
  # GCC and clang 14 say this by macros of different names.
  if(MINI_SANITIZERS MATCHES "address")
    add_compile_definitions(MINI_ADDRESS_SANITIZER)
  endif()
endif()

if(MINI_HARDENING)
  add_compile_options(-fstack-protector-strong)
  mini_add_flag_if_known(-fstack-clash-protection)
  mini_add_flag_if_known(-fcf-protection=full)
  check_cxx_compiler_flag("-ftrivial-auto-var-init=zero -Werror" MINI_KNOWS_AUTO_VAR_INIT)
  if(MINI_KNOWS_AUTO_VAR_INIT)
    add_compile_options(-ftrivial-auto-var-init=zero)
  else()
    # clang before 16 asks for its confirmation.
    mini_add_flag_if_known(-ftrivial-auto-var-init=zero
      -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
  endif()
  add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
  if(NOT MINI_SANITIZERS)
    # The sanitizers see more than the fortified functions let them. -U: some compilers set it.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
endif()

if(MINI_STATIC)
  add_link_options($<${_mini_is_pie}:-static-pie>)
else()
  add_link_options($<${_mini_is_pie}:-pie>)
endif()

if(MINI_LTO)
  include(CheckIPOSupported)
  check_ipo_supported()
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
