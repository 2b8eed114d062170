// The first byte chooses: a query from the sandbox (even), a reply of the resolver as it is read
// (odd), or the whole server between a client and a resolver that says the rest (0x80 and above).
// A query gets exactly one reply; whatever a resolver says becomes a reply that can be parsed, and
// that leads nowhere but where the filter then lets connections through.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "netstack/dns/dns_server.h"
#include "netstack/dns/message.h"
#include "netstack/dns/upstream.h"

namespace mini::netstack {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Nothing is asked upstream here, so nothing has to be watched.
class IdleLoop final : public EventLoop {
 public:
  Status Watch(int, uint32_t, IoCallback) override { return OkStatus(); }
  void Unwatch(int) override {}
  TimerId AddTimer(Duration, TimerCallback) override { return 1; }
  void CancelTimer(TimerId) override {}
  TimePoint Now() const override { return TimePoint(); }
};

void FuzzQuery(std::span<const uint8_t> message, DnsTransport transport) {
  IdleLoop loop;
  FilterOptions options;
  options.rules.emplace();
  Filter filter(std::move(options));
  auto server = DnsServer::Create(ResolverConfig(), &filter, &loop);
  Require(server.ok());
  std::vector<std::vector<uint8_t>> replies;
  (*server)->HandleQuery(message, transport,
                         [&](std::vector<uint8_t> reply) { replies.push_back(std::move(reply)); });
  Require(replies.size() == 1);
  if (replies[0].empty()) return;
  Require(replies[0].size() >= 12 && replies[0].size() <= 1232);
  Require(replies[0][0] == message[0] && replies[0][1] == message[1]);
}

void FuzzAnswer(std::span<const uint8_t> message) {
  ares_dns_record_t* created = nullptr;
  if (ares_dns_parse(message.data(), message.size(), 0, &created) != ARES_SUCCESS) return;
  const DnsRecordPtr record(created);
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  Require(ares_dns_record_query_get(created, 0, &name, &type, nullptr) == ARES_SUCCESS);
  Query query;
  query.has_question = true;
  query.asked = name;
  query.type = static_cast<uint16_t>(type);
  query.qclass = ARES_CLASS_IN;
  const Answer answer = ReadAnswer(created, query.asked, query.type);
  Require(answer.ttl.count() >= 0 && answer.ttl.count() <= 3600);
  const std::vector<uint8_t> reply = BuildReply(query, answer, 512);
  Require(reply.size() >= 12 && reply.size() <= 512);
  if (reply[5] == 0) return;  // without question, as here for names that are no host names
  ares_dns_record_t* read = nullptr;
  Require(ares_dns_parse(reply.data(), reply.size(), 0, &read) == ARES_SUCCESS);
  ares_dns_record_destroy(read);
}

// Watches, but waits for nothing: what is not there at once does not come.
class PollingLoop final : public EventLoop {
 public:
  Status Watch(int fd, uint32_t events, IoCallback callback) override {
    watches_[fd] = {events, std::move(callback)};
    return OkStatus();
  }
  void Unwatch(int fd) override { watches_.erase(fd); }
  TimerId AddTimer(Duration, TimerCallback) override { return 1; }
  void CancelTimer(TimerId) override {}
  TimePoint Now() const override { return TimePoint(); }

  void RunOnce() {
    std::vector<pollfd> descriptors;
    for (const auto& [fd, watch] : watches_) {
      const short events = (watch.first & EPOLLOUT) != 0 ? POLLIN | POLLOUT : POLLIN;
      descriptors.push_back({fd, events, 0});
    }
    if (poll(descriptors.data(), descriptors.size(), 0) <= 0) return;
    for (const pollfd& descriptor : descriptors) {
      const auto watch = watches_.find(descriptor.fd);
      if (descriptor.revents == 0 || watch == watches_.end()) continue;
      const IoCallback callback = watch->second.second;
      callback(static_cast<uint32_t>(descriptor.revents));  // as epoll's, in what is used here
    }
  }

 private:
  std::map<int, std::pair<uint32_t, IoCallback>> watches_;
};

// A socket on loopback that answers every query with the bytes it was given last, behind the
// query's own id and question.
class FuzzedResolver {
 public:
  FuzzedResolver() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_storage address;
    socklen_t length = ToSockaddr({IpAddress::V4(127, 0, 0, 1), 0}, address);
    Require(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    Require(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    endpoint_ = *FromSockaddr(address);
  }
  const Endpoint& endpoint() const { return endpoint_; }

  // `rest`: flags, the three counts, records.
  void AnswerAll(std::span<const uint8_t> rest) {
    constexpr size_t kHeader = 12;
    std::array<uint8_t, 1500> query;
    sockaddr_storage from;
    socklen_t length = sizeof from;
    for (;;) {
      const ssize_t size = recvfrom(socket_.get(), query.data(), query.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &length);
      if (size < 0) return;
      size_t end = kHeader;  // of the question
      while (query.at(end) != 0) end += 1 + query.at(end);
      end += 5;
      std::vector<uint8_t> answer(query.begin(), query.begin() + static_cast<ptrdiff_t>(end));
      if (rest.size() >= 8) {
        answer[2] = static_cast<uint8_t>(rest[0] | 0x80);  // a reply
        answer[3] = rest[1];
        std::copy_n(rest.begin() + 2, 6, answer.begin() + 6);
        answer.insert(answer.end(), rest.begin() + 8, rest.end());
      }
      (void)sendto(socket_.get(), answer.data(), answer.size(), 0,
                   reinterpret_cast<const sockaddr*>(&from), length);
    }
  }

 private:
  UniqueFd socket_;
  Endpoint endpoint_;
};

std::vector<uint8_t> PlainQuery(uint16_t type) {
  std::vector<uint8_t> query = {0x42, 0x42, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  for (const std::string_view label : {"a", "example"}) {
    query.push_back(static_cast<uint8_t>(label.size()));
    query.insert(query.end(), label.begin(), label.end());
  }
  query.insert(query.end(), {0, static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type), 0, 1});
  return query;
}

void CheckAddresses(const ares_dns_record_t* record, Filter& filter) {
  const size_t count = ares_dns_record_rr_cnt(record, ARES_SECTION_ANSWER);
  for (size_t i = 0; i < count; ++i) {
    const ares_dns_rr_t* rr = ares_dns_record_rr_get_const(record, ARES_SECTION_ANSWER, i);
    Require(ares_dns_rr_get_ttl(rr) <= 3600);
    const auto type = ares_dns_rr_get_type(rr);
    if (type != ARES_REC_TYPE_A && type != ARES_REC_TYPE_AAAA) continue;
    Require(count <= 32);
    const bool v4 = type == ARES_REC_TYPE_A;
    const void* bytes = v4 ? static_cast<const void*>(ares_dns_rr_get_addr(rr, ARES_RR_A_ADDR))
                           : ares_dns_rr_get_addr6(rr, ARES_RR_AAAA_ADDR);
    const auto address = IpAddress::FromBytes({static_cast<const uint8_t*>(bytes), v4 ? 4u : 16u});
    Require(address && !address->is_loopback());
    Require(filter.CheckFlow(Protocol::kTcp, {*address, 80}, TimePoint()).allowed);
  }
}

void FuzzServer(uint8_t choice, std::span<const uint8_t> rest) {
  static FuzzedResolver resolver;
  constexpr uint16_t kTypes[] = {rrtype::kA, rrtype::kAaaa, rrtype::kMx, rrtype::kTxt,
                                 rrtype::kSrv};
  PollingLoop loop;
  FilterOptions options;
  options.rules.emplace();
  Require(options.rules->AddText("fuzz", "a.example\n!secret.example\n").ok());
  options.on_refusal = [](const RefusalEvent& event) {
    for (const char c : event.ToString()) Require(c >= 0x20 && c < 0x7f);
  };
  Filter filter(std::move(options));
  ResolverConfig config;
  config.servers = {{resolver.endpoint()}};
  config.attempts = 1;
  auto server = DnsServer::Create(std::move(config), &filter, &loop);
  Require(server.ok());
  std::vector<std::vector<uint8_t>> replies;
  const auto transport = choice % 2 == 0 ? DnsTransport::kUdp : DnsTransport::kTcp;
  (*server)->HandleQuery(PlainQuery(kTypes[choice / 2 % std::size(kTypes)]), transport,
                         [&](std::vector<uint8_t> reply) { replies.push_back(std::move(reply)); });
  for (int i = 0; i < 8 && replies.empty(); ++i) {
    resolver.AnswerAll(rest);
    loop.RunOnce();
  }
  Require(replies.size() <= 1);  // none where c-ares waits for a better answer
  if (replies.empty()) return;
  Require(replies[0].size() >= 12 && replies[0][0] == 0x42 && replies[0][1] == 0x42);
  Require(transport == DnsTransport::kTcp || replies[0].size() <= 512);
  ares_dns_record_t* read = nullptr;
  Require(ares_dns_parse(replies[0].data(), replies[0].size(), 0, &read) == ARES_SUCCESS);
  const DnsRecordPtr record(read);
  CheckAddresses(read, filter);
}

}  // namespace
}  // namespace mini::netstack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini::netstack;
  if (size == 0) return 0;
  const std::span<const uint8_t> message(data + 1, size - 1);
  if (data[0] >= 0x80) {
    FuzzServer(data[0] & 0x7f, message);
  } else if (data[0] % 2 == 1) {
    FuzzAnswer(message);
  } else {
    FuzzQuery(message, data[0] % 4 == 0 ? DnsTransport::kUdp : DnsTransport::kTcp);
  }
  return 0;
}
