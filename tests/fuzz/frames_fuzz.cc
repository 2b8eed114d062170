// Frames of a hostile sandbox. The first byte chooses:
// - even: any frames, to the whole stack, which has no rule and so no way to a host;
// - odd: a script for the TCP flows (tcp_script.h).
#include "fuzz_link.h"
#include "netstack/link/packet.h"
#include "netstack/stack.h"
#include "script.h"
#include "tcp_script.h"

namespace mini::netstack {
namespace {

constexpr size_t kMaxFrames = 60;  // a batch of the stack's

void FuzzFrames(Script script) {
  FuzzLink link;
  StackOptions options;
  options.link = link.Link();
  options.filter.rules.emplace();
  auto stack = Stack::Create(std::move(options));
  Require(stack.ok());
  for (size_t i = 0; i < kMaxFrames && !script.empty(); ++i) {
    const Bytes frame = script.Take(script.U16() % 2048);
    if (!frame.empty() && !link.Write(frame)) break;  // an empty one is the end of the link
  }
  // What waits on the link is taken in the same batch.
  (*stack)->Stop();
  Require((*stack)->Run().ok());
  while (const auto frame = link.Read()) Require(frame->size() >= kLinkHeaderSize);
}

}  // namespace
}  // namespace mini::netstack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini::netstack;
  if (size == 0) return 0;
  Script script({data + 1, size - 1});
  if (data[0] % 2 == 0) {
    FuzzFrames(script);
  } else {
    FuzzTcp(script);
  }
  return 0;
}
