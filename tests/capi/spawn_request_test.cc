#include "capi/spawn_request.h"

#include <gtest/gtest.h>

namespace mini::capi {
namespace {

std::span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

SpawnRequest FullRequest() {
  return {.options = {"-x", "-w", "/srv/a directory"},
          .command = {"sh", "-c", "echo \"$1\"\n", "", std::string(300'000, 'x')},
          .environment = {{"A=1", "no variable", ""}},
          .has_rules = true,
          .has_events = true};
}

TEST(SpawnRequest, ArrivesAsItWasSent) {
  for (const SpawnRequest& request :
       {FullRequest(), SpawnRequest{.options = {}, .command = {"true"}},
        SpawnRequest{.options = {}, .command = {"true"}, .environment = {{}}},
        SpawnRequest{.options = {}, .command = {"true"}, .has_rules = true},
        SpawnRequest{.options = {}, .command = {"true"}, .has_events = true}}) {
    const std::string bytes = request.Encode();
    const auto arrived = SpawnRequest::Decode(BytesOf(bytes));
    ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
    EXPECT_EQ(*arrived, request);
  }
}

TEST(SpawnRequest, IsRefusedWhenItIsCutOrLongerOrOfAnotherKind) {
  SpawnRequest request = FullRequest();
  request.command = {"sh"};
  const std::string bytes = request.Encode();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(SpawnRequest::Decode(BytesOf(bytes.substr(0, length))).ok()) << length;
  }
  EXPECT_FALSE(SpawnRequest::Decode(BytesOf(bytes + '\0')).ok());
  std::string other = bytes;
  other[0] = '\x08';
  EXPECT_FALSE(SpawnRequest::Decode(BytesOf(other)).ok());
}

// As many texts as no memory would hold.
TEST(SpawnRequest, ReservesNothingForWhatIsOnlyAnnounced) {
  const std::string bytes = std::string("\0\xff\xff\xff\xff", 5) + "\xff\xff\xff\xff";
  EXPECT_FALSE(SpawnRequest::Decode(BytesOf(bytes)).ok());
}

}  // namespace
}  // namespace mini::capi
