// Compiled once for each library: MINI_LIBRARY_NETWORK is its own.
#include "capi/library.h"

namespace mini::capi {

extern "C" const unsigned char mini_capi_supervisor_begin[];
extern "C" const unsigned char mini_capi_supervisor_end[];

Network LibraryNetwork() { return Network::MINI_LIBRARY_NETWORK; }

std::span<const unsigned char> CarriedSupervisor() {
  return {mini_capi_supervisor_begin, mini_capi_supervisor_end};
}

}  // namespace mini::capi
