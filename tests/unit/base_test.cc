#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "base/bytes.h"
#include "base/descriptor_passing.h"
#include "base/ip_address.h"
#include "base/paths.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/unique_fd.h"

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

TEST(Strings, AShellTakesAQuotedWordForWhatItWas) {
  EXPECT_EQ(ShellWord("/home/u/project-1.0"), "/home/u/project-1.0");
  EXPECT_EQ(ShellWord("/home/u/my project"), "'/home/u/my project'");
  EXPECT_EQ(ShellWord("it's $HOME `id` \\"), "'it'\\''s $HOME `id` \\'");
  EXPECT_EQ(ShellWord("~/*"), "'~/*'");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("\u00fcber"), "'\u00fcber'");
  EXPECT_EQ(ShellWord("a\n'b\\\x1b"
                      "7\xff"),
            "$'a\\012\\'b\\\\\\0337\\377'");
  const std::string longer(1000, ' ');
  EXPECT_EQ(ShellWord(longer), "'" + longer + "'") << "cut short it would be another path";
}

TEST(ByteAppender, WritesWhatByteReaderReads) {
  std::string text = "kept";
  ByteAppender bytes(text);
  bytes.U8(0xfe);
  bytes.U32(0x01020380);
  bytes.Text(std::string_view("\0x", 2));
  EXPECT_EQ(text, std::string("kept\xfe\x01\x02\x03\x80\0x", 11));
  const std::vector<uint8_t> written(text.begin() + 4, text.end());
  ByteReader reader(written);
  EXPECT_EQ(reader.U8(), 0xfe);
  EXPECT_EQ(reader.U32(), 0x01020380u);
  EXPECT_EQ(reader.Take(2)[1], 'x');
  EXPECT_EQ(reader.remaining(), 0u);
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

class DescriptorPassing : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    sender_.reset(ends[0]);
    receiver_.reset(ends[1]);
  }

  UniqueFd sender_;
  UniqueFd receiver_;
  char data_[8] = {};
  int received_[kMostPassedDescriptors] = {-1, -1};
};

TEST_F(DescriptorPassing, HandsOverWhatTheDescriptorsReferTo) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const UniqueFd reading(pipe_ends[0]);
  UniqueFd writing(pipe_ends[1]);
  ASSERT_TRUE(SendWithDescriptors(sender_.get(), "two", 3, pipe_ends, 2));
  writing.reset();
  const ReceivedMessage message =
      ReceiveWithDescriptors(receiver_.get(), data_, sizeof data_, received_);
  ASSERT_EQ(message.size, 3);
  ASSERT_EQ(message.descriptor_count, 2u);
  EXPECT_STREQ(data_, "two");
  const UniqueFd first(received_[0]);
  const UniqueFd second(received_[1]);
  EXPECT_EQ(fcntl(first.get(), F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(write(second.get(), "x", 1), 1);
  EXPECT_EQ(read(first.get(), data_, sizeof data_), 1);
}

TEST_F(DescriptorPassing, ReceivesMessagesWithoutDescriptorsToo) {
  ASSERT_EQ(send(sender_.get(), "none", 4, 0), 4);
  const ReceivedMessage message =
      ReceiveWithDescriptors(receiver_.get(), data_, sizeof data_, received_);
  EXPECT_EQ(message.size, 4);
  EXPECT_EQ(message.descriptor_count, 0u);
}

TEST_F(DescriptorPassing, TellsTheEndFromAnError) {
  sender_.reset();
  EXPECT_EQ(ReceiveWithDescriptors(receiver_.get(), data_, sizeof data_, received_).size, 0);
  EXPECT_EQ(ReceiveWithDescriptors(-1, data_, sizeof data_, received_).size, -1);
  EXPECT_EQ(errno, EBADF);
  int self = receiver_.get();
  EXPECT_FALSE(SendWithDescriptors(self, "x", 1, &self, 1));
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(DescriptorPassing, RefusesMoreThanTheReceiverHasRoomFor) {
  const int many[kMostPassedDescriptors + 1] = {0, 0, 0};
  EXPECT_FALSE(SendWithDescriptors(sender_.get(), "x", 1, many, std::size(many)));
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
}  // namespace mini
