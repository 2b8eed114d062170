# The functions by which every room declares itself.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(MINI_WARNINGS_AS_ERRORS "Fail on compiler warnings" OFF)

# What all of our own code is compiled with; third-party code is not. -Wno-maybe-uninitialized: with
# -ftrivial-auto-var-init=zero or -fsanitize, GCC 12 takes std::string's inline buffer for
# uninitialized (gcc(1) says so of -fsanitize). -Wuninitialized stays, as do clang's own checks.
add_library(mini_compile_options INTERFACE)
target_compile_options(mini_compile_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<BOOL:${MINI_WARNINGS_AS_ERRORS}>:-Werror>)
target_compile_definitions(mini_compile_options INTERFACE _GNU_SOURCE)
target_include_directories(mini_compile_options INTERFACE
  "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")

# The standard library's headers and GoogleTest's are most of what a file costs to compile, so debug
# builds compile them once. A release does not: it is what shows a missing #include.
# -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON does without.
set(MINI_PRECOMPILES OFF)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(MINI_PRECOMPILES ON)
  target_compile_options(mini_compile_options INTERFACE
    # For ccache, which restores the result at another time (its manual, "Precompiled headers").
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
    "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

# mini_precompile(NAME OPTIONS HEADER...): for `target_precompile_headers(... REUSE_FROM NAME)` of
# targets that are compiled with OPTIONS; an object library, so that nothing is linked.
function(mini_precompile name options)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "// Only here to be compiled after the headers.\n")
  add_library(${name} OBJECT EXCLUDE_FROM_ALL "${source}")
  target_link_libraries(${name} PRIVATE ${options})
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()

if(MINI_PRECOMPILES)
  mini_precompile(mini_standard_headers mini_compile_options
    <algorithm> <array> <chrono> <functional> <map> <memory> <optional> <span> <string>
    <string_view> <utility> <variant> <vector>)
endif()

# mini_library(NAME SOURCES a.cc ... [DEPS target ...] [PRIVATE_DEPS target ...])
# DEPS show in the room's headers; PRIVATE_DEPS (libmnl, lwIP, c-ares) do not.
function(mini_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS}
    $<BUILD_INTERFACE:mini_compile_options>)
  if(MINI_PRECOMPILES)
    target_precompile_headers(${name} REUSE_FROM mini_standard_headers)
  endif()
endfunction()

# Every test program and what tests start, without the programs and benchmarks.
add_custom_target(mini_tests)

# What test programs are compiled with. GoogleTest's macros cost the optimizer more than all of our
# own code does.
add_library(mini_test_options INTERFACE)
target_link_libraries(mini_test_options INTERFACE GTest::gtest GTest::gtest_main
  mini_compile_options)
target_compile_options(mini_test_options INTERFACE -O0 -U_FORTIFY_SOURCE)
# Dozens of test programs hold the stack, and lld links each in a quarter of the time.
if(BUILD_TESTING)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=lld MINI_KNOWS_LLD)
  if(MINI_KNOWS_LLD AND NOT MINI_LTO)  # it does not read what GCC leaves to the linker
    target_link_options(mini_test_options INTERFACE -fuse-ld=lld)
  endif()
endif()
# Nothing but GoogleTest's header, which each of them includes anyway: so no missing #include is
# hidden where no release would show it.
if(BUILD_TESTING AND MINI_PRECOMPILES)
  mini_precompile(mini_test_header mini_test_options <gtest/gtest.h>)
  # A precompiled header fits what is compiled with the same flags: programs.
  set_target_properties(mini_test_header PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(mini_test_header PRIVATE -fPIE)
endif()

# mini_test(NAME SOURCES a_test.cc ... DEPS target ... [LABELS label ...]): a GoogleTest program
# that ctest runs whole.
function(mini_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} mini_test_options)
  if(MINI_PRECOMPILES)
    target_precompile_headers(${name} REUSE_FROM mini_test_header)
  endif()
  add_dependencies(mini_tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 120)
endfunction()
