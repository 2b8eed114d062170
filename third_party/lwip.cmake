# third_party::lwip: lwIP 2.2.1's core (raw API, no operating system layer), configured by
# netstack/lwip_port/lwipopts.h. The version is exact, because the stack reaches into
# lwip/priv/tcp_priv.h; a contract test of netstack/ fails when that stops holding.
set(LWIP_SOURCE_DIR "" CACHE PATH "Source tree of lwIP 2.2.1, instead of fetching Debian's")
if(LWIP_SOURCE_DIR)
  set(_lwip_source "${LWIP_SOURCE_DIR}")
else()
  debian_source(_lwip_source lwip
    "l/lwip/lwip_2.2.1+dfsg1.orig.tar.xz"
    83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1
    "l/lwip/lwip_2.2.1+dfsg1-1+deb13u1.debian.tar.xz"
    faa343b3c76d69080240ae1323932b7348fa1d0042f6ad29bd286246660720a9
    LWIP_SOURCE_DIR=DIR)
endif()
if(NOT EXISTS "${_lwip_source}/src/core/tcp_in.c")
  message(FATAL_ERROR "third_party: ${_lwip_source} is no lwIP source tree (LWIP_SOURCE_DIR)")
endif()
mini_copyright(lwIP "${_lwip_source}/COPYING")

# Every file of the core: what lwipopts.h turns off compiles to nothing.
file(GLOB _lwip_files "${_lwip_source}/src/core/*.c" "${_lwip_source}/src/core/ipv4/*.c"
  "${_lwip_source}/src/core/ipv6/*.c" "${_lwip_source}/src/netif/ethernet.c")
add_library(lwip STATIC EXCLUDE_FROM_ALL ${_lwip_files})
add_library(third_party::lwip ALIAS lwip)
set_target_properties(lwip PROPERTIES
  POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden C_STANDARD 11 C_CLANG_TIDY "")
# SYSTEM: its headers' warnings are not ours. The port's headers are ours, and stay visible.
target_include_directories(lwip SYSTEM PUBLIC "${_lwip_source}/src/include")
target_include_directories(lwip PUBLIC "${PROJECT_SOURCE_DIR}/netstack/lwip_port")
