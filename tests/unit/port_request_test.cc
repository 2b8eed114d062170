// The values of -p.
#include "policy/port_request.h"

#include <gtest/gtest.h>

#include "policy/policy.h"

namespace mini {
namespace {

std::string Parsed(std::string_view text) {
  const auto request = ParsePortRequest(text);
  return request.ok() ? request->ToString() : request.status().message();
}

TEST(PortRequest, IsOpenOnLoopbackUnlessTold) {
  EXPECT_EQ(Parsed("8080:80"), "tcp 127.0.0.1:8080 to 80");
  EXPECT_EQ(Parsed("192.0.2.2:8080:80"), "tcp 192.0.2.2:8080 to 80");
  EXPECT_EQ(Parsed("0.0.0.0:8080:80/tcp"), "tcp 0.0.0.0:8080 to 80");
  EXPECT_EQ(Parsed("[::1]:8080:80/udp"), "udp [::1]:8080 to 80");
}

TEST(PortRequest, OnePortStandsForBoth) {
  EXPECT_EQ(Parsed("8080"), "tcp 127.0.0.1:8080 to 8080");
  EXPECT_EQ(Parsed("5353/udp"), "udp 127.0.0.1:5353 to 5353");
  EXPECT_EQ(Parsed("192.0.2.2:8080"), "tcp 192.0.2.2:8080 to 8080");
  EXPECT_EQ(Parsed("[2001:db8::1]:8080"), "tcp [2001:db8::1]:8080 to 8080");
}

TEST(PortRequest, OnlyTheHostsPortMayBeAny) {
  EXPECT_EQ(Parsed("0:80"), "tcp 127.0.0.1:0 to 80");
  EXPECT_EQ(Parsed("80:0"), "-p 80:0: \"0\" is not a port");
  EXPECT_EQ(Parsed("0"), "-p 0: \"0\" is not a port");
}

TEST(PortRequest, MistakesAreNamed) {
  EXPECT_EQ(Parsed(""), "-p : a port is missing");
  EXPECT_EQ(Parsed(":80"), "-p :80: a port is missing");
  EXPECT_EQ(Parsed("80:"), "-p 80:: a port is missing");
  EXPECT_EQ(Parsed("65536"), "-p 65536: \"65536\" is not a port");
  EXPECT_EQ(Parsed("-1"), "-p -1: \"-1\" is not a port");
  EXPECT_EQ(Parsed("80/sctp"), "-p 80/sctp: \"/sctp\" is neither /tcp nor /udp");
  EXPECT_EQ(Parsed("80/udp/tcp"), "-p 80/udp/tcp: \"/udp/tcp\" is neither /tcp nor /udp");
  EXPECT_EQ(Parsed("localhost:80:80"),
            "-p localhost:80:80: \"localhost\" is not an address; names are not looked up");
  EXPECT_EQ(Parsed("[192.0.2.2]:80:80"),
            "-p [192.0.2.2]:80:80: \"192.0.2.2\" is not an address; names are not looked up");
  EXPECT_EQ(Parsed("[::1]"), "-p [::1]: \"]:\" and a port are missing");
  EXPECT_EQ(Parsed("2001:db8::1:80:80"),
            "-p 2001:db8::1:80:80: an IPv6 address stands in brackets, [::1]:8080");
  EXPECT_EQ(Parsed("fd00::1:80"), "-p fd00::1:80: an IPv6 address stands in brackets, [::1]:8080");
  EXPECT_EQ(Parsed("80:80:80"), "-p 80:80:80: \"80:80\" is not a port");
  EXPECT_EQ(Parsed("192.0.2.2:80:80:80"), "-p 192.0.2.2:80:80:80: \"80:80\" is not a port");
}

TEST(PolicyBuilder, PublishesAPortOfTheHostOnce) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  for (const char* text : {"8080:80", "8080:80/udp", "[::1]:8080:80", "0:80", "0:80"}) {
    EXPECT_TRUE(builder.Publish(*ParsePortRequest(text)).ok()) << text;
  }
  EXPECT_EQ(builder.Publish(*ParsePortRequest("127.0.0.1:8080:81")).message(),
            "-p: tcp 127.0.0.1:8080 is published twice");
  EXPECT_EQ(builder.Build()->published.size(), 5u);
}

TEST(PolicyBuilder, PublishingWithoutTheStackIsAMistake) {
  for (const Network network : {Network::kLoopback, Network::kHost, Network::kUnconfigured}) {
    PolicyBuilder builder;
    ASSERT_TRUE(builder.SetNetwork(network).ok());
    ASSERT_TRUE(builder.Publish(*ParsePortRequest("8080")).ok());
    EXPECT_EQ(builder.Build().status().message(), "-p needs the network stack: run mini-tapbox");
  }
}

}  // namespace
}  // namespace mini
