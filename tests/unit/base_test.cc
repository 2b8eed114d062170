#include <gtest/gtest.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "base/paths.h"
#include "base/status.h"
#include "base/strings.h"

namespace mini {
namespace {

TEST(Status, IsOkByDefaultAndSaysSo) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.ToString(), "OK");
}

TEST(Status, NamesTheAttemptTheErrnoAndTheHint) {
  const Status status =
      SystemError(Stage::kMounts, EPERM, "mount overlay on /home/u").WithHint("run doctor");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(status.ToString(),
            "mount overlay on /home/u: Operation not permitted (EPERM): run doctor");
}

TEST(Status, CopiesAreIndependent) {
  Status first = InvalidArgument(Stage::kArguments, "one");
  Status second = first;
  first = InvalidArgument(Stage::kArguments, "two");
  EXPECT_EQ(second.message(), "one");
}

Result<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument(Stage::kArguments, "odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  MINI_ASSIGN_OR_RETURN(const int half, Half(number));
  return Half(half);
}

TEST(Result, PropagatesTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
}

TEST(Paths, NormalizeRemovesEmptyDotAndDotDot) {
  EXPECT_EQ(NormalizePath("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(NormalizePath("/a/../b"), "/b");
  EXPECT_EQ(NormalizePath("/../.."), "/");
}

TEST(Paths, BelowRespectsComponentBoundaries) {
  EXPECT_TRUE(IsBelow("/a/b", "/a"));
  EXPECT_FALSE(IsBelow("/ab", "/a"));
  EXPECT_FALSE(IsBelow("/a", "/a"));
  EXPECT_TRUE(IsBelow("/a", "/"));
  EXPECT_FALSE(IsBelow("/", "/"));
}

TEST(Paths, JoinAddsOneSlash) {
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("/a", "b/c"), "/a/b/c");
}

TEST(Strings, ParseDecimalTakesTheWholeText) {
  EXPECT_EQ(ParseDecimal("65535", 65535), 65535u);
  EXPECT_FALSE(ParseDecimal("65536", 65535));
  EXPECT_FALSE(ParseDecimal("1x", 10));
  EXPECT_FALSE(ParseDecimal("", 10));
  EXPECT_FALSE(ParseDecimal("-1", 10));
}

TEST(Strings, EscapeLeavesNoControlCharacter) {
  EXPECT_EQ(EscapeForTerminal("a\x1b[31m"), "a\\x1b[31m");
  EXPECT_EQ(EscapeForTerminal("a\nmini-sandbox: b\x7f"), "a\\x0amini-sandbox: b\\x7f");
  EXPECT_EQ(EscapeForTerminal("\u00fcber \u65e5\u672c \U0001f600"),
            "\u00fcber \u65e5\u672c \U0001f600");
  // Controls of the second set, overlong forms, surrogates, halves, and what reorders a line.
  EXPECT_EQ(EscapeForTerminal("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(EscapeForTerminal("\xc0\x9b\xe0\x80\x9b"), "\\xc0\\x9b\\xe0\\x80\\x9b");
  EXPECT_EQ(EscapeForTerminal("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(EscapeForTerminal("\xf5\x80\x80\x80\xe2\x82"), "\\xf5\\x80\\x80\\x80\\xe2\\x82");
  EXPECT_EQ(EscapeForTerminal("\u202e\u2066"), "\\xe2\\x80\\xae\\xe2\\x81\\xa6");
  EXPECT_EQ(EscapeForTerminal("\u00fc\u00fc", 3), "\u00fc\\xc3...");
  EXPECT_EQ(EscapeForTerminal("abcdef", 3), "abc...");
}

TEST(ByteReader, ReadsZeroAndFailsPastTheEnd) {
  const uint8_t bytes[] = {1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.U16(), 0x0102);
  EXPECT_EQ(reader.U16(), 0);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.U8(), 0) << "a failed reader stays failed";
}

TEST(IpAddress, ParsesBothFamiliesAndNothingElse) {
  EXPECT_EQ(IpAddress::Parse("192.0.2.7")->ToString(), "192.0.2.7");
  EXPECT_EQ(IpAddress::Parse("2001:DB8::7")->ToString(), "2001:db8::7");
  EXPECT_FALSE(IpAddress::Parse("192.0.2"));
  EXPECT_FALSE(IpAddress::Parse(std::string_view()));
  EXPECT_FALSE(IpAddress::Parse("192.0.2.007"));
  EXPECT_FALSE(IpAddress::Parse(std::string_view("192.0.2.7\0x", 11)));
}

TEST(IpAddress, KnowsLoopback) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1"}) {
    EXPECT_TRUE(IpAddress::Parse(text)->is_loopback()) << text;
  }
  for (const char* text : {"126.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2", "1::1"}) {
    EXPECT_FALSE(IpAddress::Parse(text)->is_loopback()) << text;
  }
}

TEST(IpPrefix, ContainsByBits) {
  const IpPrefix prefix = *IpPrefix::Parse("192.0.2.128/25");
  EXPECT_TRUE(prefix.Contains(*IpAddress::Parse("192.0.2.129")));
  EXPECT_FALSE(prefix.Contains(*IpAddress::Parse("192.0.2.127")));
  EXPECT_FALSE(prefix.Contains(*IpAddress::Parse("2001:db8::1")));
  EXPECT_TRUE(IpPrefix::Parse("::/0")->Contains(*IpAddress::Parse("2001:db8::1")));
}

TEST(IpPrefix, RefusesHostBitsAndLongLengths) {
  EXPECT_FALSE(IpPrefix::Parse("192.0.2.1/24"));
  EXPECT_FALSE(IpPrefix::Parse("192.0.2.0/33"));
  EXPECT_FALSE(IpPrefix::Parse("192.0.2.0"));
}

TEST(Endpoint, SurvivesTheSocketForm) {
  for (const Endpoint& endpoint : {Endpoint{*IpAddress::Parse("192.0.2.7"), 80},
                                   Endpoint{*IpAddress::Parse("2001:db8::7"), 443}}) {
    sockaddr_storage storage;
    (void)ToSockaddr(endpoint, storage);
    EXPECT_EQ(FromSockaddr(storage), endpoint);
  }
  EXPECT_EQ((Endpoint{*IpAddress::Parse("2001:db8::7"), 443}.ToString()), "[2001:db8::7]:443");
}

}  // namespace
}  // namespace mini
