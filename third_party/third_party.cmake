# How each dependency is found or fetched; nothing of them is in this tree.
#
# From Debian 12's packages: nlohmann-json, GoogleTest, Google Benchmark, libseccomp, libidn2. Fetched, because
# Debian 12 has them too old or not static: lwIP, c-ares (source packages of Debian 13 with Debian's
# own security patches, built here) and libmnl (the static archive of Debian 13's package).
# docs/building.md says how to give each of them instead.
include("${CMAKE_CURRENT_LIST_DIR}/debian_archive.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/copyrights.cmake")

find_package(Threads REQUIRED)

find_package(nlohmann_json 3.11 QUIET)
if(NOT nlohmann_json_FOUND)
  message(FATAL_ERROR "third_party: nlohmann-json is missing: apt-get install nlohmann-json3-dev")
endif()

if(BUILD_TESTING)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    message(FATAL_ERROR
      "third_party: GoogleTest is missing: apt-get install libgtest-dev libgmock-dev "
      "(or build without tests: -DBUILD_TESTING=OFF)")
  endif()
  find_package(benchmark QUIET)  # bench/ is left out without it
endif()

include("${CMAKE_CURRENT_LIST_DIR}/seccomp.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/idn2.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/mnl.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/lwip.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/cares.cmake")
