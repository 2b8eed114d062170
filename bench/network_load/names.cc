// DNS as far as a measurement needs it: one question, one address (RFC 1035, section 4).
#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/bytes.h"
#include "base/unique_fd.h"
#include "network_load.h"

namespace mini::network_load {
namespace {

using load::Die;
using load::Endpoint;

constexpr uint16_t kPort = 53;
constexpr size_t kHeaderSize = 12;
constexpr uint16_t kTypeA = 1;
constexpr uint16_t kClassIn = 1;
constexpr uint16_t kQuery = 0x0100;   // recursion desired
constexpr uint16_t kAnswer = 0x8180;  // a response, recursion desired and available, no error
constexpr uint16_t kFailure = 0x000f;
constexpr uint32_t kTimeToLive = 3600;
constexpr uint32_t kAddress = 0xc6336401;  // 198.51.100.1
constexpr uint16_t kNameOfQuestion = 0xc000 | kHeaderSize;

using Message = std::array<uint8_t, 512>;

struct Question {
  uint16_t id = 0;
  uint16_t type = 0;
  std::span<const uint8_t> bytes;  // name, type, class
};

bool ReadQuestion(std::span<const uint8_t> query, Question& question) {
  ByteReader reader(query);
  question.id = reader.U16();
  reader.Skip(2);
  const bool single = reader.U16() == 1;
  reader.Skip(6);
  for (uint8_t length = reader.U8(); length != 0; length = reader.U8()) reader.Skip(length);
  question.type = reader.U16();
  reader.Skip(2);
  if (!single || reader.failed()) return false;
  question.bytes = query.subspan(kHeaderSize, reader.position() - kHeaderSize);
  return true;
}

size_t WriteAnswer(const Question& question, std::span<uint8_t> out) {
  ByteWriter writer(out);
  writer.U16(question.id);
  writer.U16(kAnswer);
  writer.U16(1);
  writer.U16(question.type == kTypeA ? 1 : 0);
  writer.U32(0);
  writer.Bytes(question.bytes);
  if (question.type == kTypeA) {
    writer.U16(kNameOfQuestion);
    writer.U16(kTypeA);
    writer.U16(kClassIn);
    writer.U32(kTimeToLive);
    writer.U16(sizeof(kAddress));
    writer.U32(kAddress);
  }
  return writer.failed() ? 0 : writer.position();
}

size_t WriteQuery(uint16_t id, const std::string& host, std::span<uint8_t> out) {
  const std::array<std::string, 3> labels = {host, "bench", "example"};
  ByteWriter writer(out);
  writer.U16(id);
  writer.U16(kQuery);
  writer.U16(1);
  writer.U16(0);
  writer.U32(0);
  for (const std::string& label : labels) {
    writer.U8(static_cast<uint8_t>(label.size()));
    for (const char letter : label) writer.U8(static_cast<uint8_t>(letter));
  }
  writer.U8(0);
  writer.U16(kTypeA);
  writer.U16(kClassIn);
  return writer.failed() ? 0 : writer.position();
}

bool IsAnswerTo(uint16_t id, std::span<const uint8_t> answer) {
  ByteReader reader(answer);
  const bool ours = reader.U16() == id;
  const bool good = (reader.U16() & kFailure) == 0;
  reader.Skip(2);
  return ours && good && reader.U16() > 0 && !reader.failed();
}

bool Ask(const UniqueFd& fd, uint16_t id, const std::string& host) {
  Message message;
  const size_t size = WriteQuery(id, host, message);
  if (send(fd.get(), message.data(), size, 0) < 0) return false;
  const ssize_t got = recv(fd.get(), message.data(), message.size(), 0);
  return got > 0 && IsAnswerTo(id, std::span(message).first(static_cast<size_t>(got)));
}

}  // namespace

int ServeNames() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_port = htons(kPort);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0) Die("bind");
  std::puts("ready");
  std::fflush(stdout);
  while (true) {
    Message query;
    Message answer;
    sockaddr_storage peer = {};
    socklen_t length = sizeof(peer);
    const ssize_t got = recvfrom(fd.get(), query.data(), query.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &length);
    Question question;
    if (got < 0 || !ReadQuestion(std::span(query).first(static_cast<size_t>(got)), question)) {
      continue;
    }
    const size_t size = WriteAnswer(question, answer);
    sendto(fd.get(), answer.data(), size, 0, reinterpret_cast<const sockaddr*>(&peer), length);
  }
}

int AskNames(const std::string& server, uint64_t count, bool always_new) {
  Endpoint peer = load::ParseEndpoints(server).front();
  load::SetPort(peer, kPort);
  const UniqueFd fd(socket(peer.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval patience = {.tv_sec = 2, .tv_usec = 0};
  if (!fd.valid() ||
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer.address), peer.length) != 0) {
    Die("socket");
  }
  if (!always_new && !Ask(fd, 0, "n0")) Die("the first answer");
  std::vector<Clock::duration> latencies;
  uint64_t failed = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string host = "n" + std::to_string(always_new ? i : 0);
    const auto begun = Clock::now();
    if (Ask(fd, static_cast<uint16_t>(i + 1), host)) {
      latencies.push_back(Clock::now() - begun);
    } else {
      ++failed;
    }
  }
  PrintLatencies(std::move(latencies), failed);
  return 0;
}

}  // namespace mini::network_load
