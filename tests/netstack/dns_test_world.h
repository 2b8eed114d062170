// A loop, an upstream resolver on loopback sockets, and a client, for the tests of the DNS server.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_DNS_TEST_WORLD_H_
#define MINI_SANDBOX_TESTS_NETSTACK_DNS_TEST_WORLD_H_

#include <ares.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "netstack/dns/dns_server.h"
#include "netstack/dns/message.h"
#include "netstack/event_loop.h"
#include "netstack/filter/filter.h"

namespace mini::netstack {

// Runs until a condition holds. Now() is the real clock plus what the test skipped, so that hours
// can pass in a test.
class TestLoop final : public EventLoop {
 public:
  TestLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), now_(Clock::now()) {}

  Status Watch(int fd, uint32_t events, IoCallback callback) override {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    const bool known = watches_.count(fd) != 0;
    const int result = epoll_ctl(epoll_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (result != 0) return SystemError(Stage::kNetwork, errno, "epoll_ctl");
    watches_[fd] = std::move(callback);
    return OkStatus();
  }
  void Unwatch(int fd) override {
    if (watches_.erase(fd) != 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
  TimerId AddTimer(Duration delay, TimerCallback callback) override {
    timers_.emplace(std::pair(Clock::now() + delay, ++last_timer_), std::move(callback));
    return last_timer_;
  }
  void CancelTimer(TimerId timer) override {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
  }
  TimePoint Now() const override { return now_ + skipped_; }

  void Skip(Duration duration) { skipped_ += duration; }
  size_t watched() const { return watches_.size(); }
  // Fires what is due within that time as of now, in its order, without waiting for it.
  void RunTimersOf(Duration duration) {
    const auto end = timers_.upper_bound({Clock::now() + duration, 0});
    std::vector<TimerId> due;
    for (auto timer = timers_.begin(); timer != end; ++timer) due.push_back(timer->first.second);
    for (const TimerId id : due) {
      const auto timer = std::find_if(timers_.begin(), timers_.end(),
                                      [&](const auto& entry) { return entry.first.second == id; });
      if (timer == timers_.end()) continue;  // cancelled by one before it
      const TimerCallback callback = std::move(timer->second);
      timers_.erase(timer);
      callback();
    }
  }

  // False when `limit` passed before the condition held.
  template <typename Condition>
  bool RunUntil(Condition condition, Duration limit = std::chrono::seconds(20)) {
    const TimePoint end = Clock::now() + limit;
    while (!condition()) {
      if (Clock::now() > end) return false;
      RunBatch();
    }
    return true;
  }

 private:
  void RunBatch() {
    epoll_event events[16];
    const int count = epoll_wait(epoll_.get(), events, 16, timers_.empty() ? 50 : 1);
    now_ = Clock::now();
    for (int i = 0; i < count; ++i) {
      const auto watch = watches_.find(events[i].data.fd);
      if (watch == watches_.end()) continue;
      const IoCallback callback = watch->second;
      callback(events[i].events);
    }
    while (!timers_.empty() && timers_.begin()->first.first <= now_) {
      const TimerCallback callback = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      callback();
    }
  }

  UniqueFd epoll_;
  TimePoint now_;
  Duration skipped_{0};
  std::map<int, IoCallback> watches_;
  std::map<std::pair<TimePoint, TimerId>, TimerCallback> timers_;
  TimerId last_timer_ = 0;
};

// A resource record as a test writes it; data by type: "192.0.2.7", "name.example", a text.
struct TestRecord {
  std::string owner;
  int type;
  std::string data;
  unsigned ttl = 300;
};

// What a message says, read back with c-ares.
struct TestMessage {
  bool parsed = false;
  int id = 0;
  int rcode = -1;
  unsigned flags = 0;
  std::string question;
  int type = 0;
  std::vector<std::string> answers;  // "owner type data"
  std::vector<unsigned> ttls;
  std::string soa;  // "owner minimum"
  bool has_opt = false;
  int opt_flags = 0;
  std::string extended_error;  // "code text"
  size_t options = 0;          // EDNS options
  size_t size = 0;
};

inline std::string DataText(const ares_dns_rr_t* rr) {
  switch (ares_dns_rr_get_type(rr)) {
    case ARES_REC_TYPE_A:
      return IpAddress::FromBytes(
                 {reinterpret_cast<const uint8_t*>(ares_dns_rr_get_addr(rr, ARES_RR_A_ADDR)), 4})
          ->ToString();
    case ARES_REC_TYPE_AAAA:
      return IpAddress::FromBytes(
                 {reinterpret_cast<const uint8_t*>(ares_dns_rr_get_addr6(rr, ARES_RR_AAAA_ADDR)),
                  16})
          ->ToString();
    case ARES_REC_TYPE_CNAME:
      return ares_dns_rr_get_str(rr, ARES_RR_CNAME_CNAME);
    case ARES_REC_TYPE_PTR:
      return ares_dns_rr_get_str(rr, ARES_RR_PTR_DNAME);
    case ARES_REC_TYPE_MX:
      return StrCat(ares_dns_rr_get_u16(rr, ARES_RR_MX_PREFERENCE), " ",
                    ares_dns_rr_get_str(rr, ARES_RR_MX_EXCHANGE));
    case ARES_REC_TYPE_SRV:
      return StrCat(ares_dns_rr_get_u16(rr, ARES_RR_SRV_PRIORITY), " ",
                    ares_dns_rr_get_u16(rr, ARES_RR_SRV_WEIGHT), " ",
                    ares_dns_rr_get_u16(rr, ARES_RR_SRV_PORT), " ",
                    ares_dns_rr_get_str(rr, ARES_RR_SRV_TARGET));
    case ARES_REC_TYPE_TXT: {
      std::string text;
      for (size_t i = 0; i < ares_dns_rr_get_abin_cnt(rr, ARES_RR_TXT_DATA); ++i) {
        size_t size = 0;
        const auto* bytes = ares_dns_rr_get_abin(rr, ARES_RR_TXT_DATA, i, &size);
        text += (i == 0 ? "" : "|") + std::string(bytes, bytes + size);
      }
      return text;
    }
    default:
      return "?";
  }
}

inline TestMessage ReadMessage(const std::vector<uint8_t>& bytes) {
  TestMessage message;
  message.size = bytes.size();
  ares_dns_record_t* created = nullptr;
  if (ares_dns_parse(bytes.data(), bytes.size(), 0, &created) != ARES_SUCCESS) return message;
  const DnsRecordPtr record(created);
  message.parsed = true;
  message.id = ares_dns_record_get_id(created);
  message.flags = ares_dns_record_get_flags(created);
  message.rcode = ares_dns_record_get_rcode(created);
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  if (ares_dns_record_query_get(created, 0, &name, &type, nullptr) == ARES_SUCCESS) {
    message.question = name;
    message.type = static_cast<int>(type);
  }
  for (size_t i = 0; i < ares_dns_record_rr_cnt(created, ARES_SECTION_ANSWER); ++i) {
    const auto* rr = ares_dns_record_rr_get_const(created, ARES_SECTION_ANSWER, i);
    message.answers.push_back(StrCat(ares_dns_rr_get_name(rr), " ",
                                     ares_dns_rec_type_tostr(ares_dns_rr_get_type(rr)), " ",
                                     DataText(rr)));
    message.ttls.push_back(ares_dns_rr_get_ttl(rr));
  }
  for (size_t i = 0; i < ares_dns_record_rr_cnt(created, ARES_SECTION_ADDITIONAL); ++i) {
    const auto* rr = ares_dns_record_rr_get_const(created, ARES_SECTION_ADDITIONAL, i);
    if (ares_dns_rr_get_type(rr) != ARES_REC_TYPE_OPT) continue;
    message.has_opt = true;
    message.opt_flags = ares_dns_rr_get_u16(rr, ARES_RR_OPT_FLAGS);
    message.options = ares_dns_rr_get_opt_cnt(rr, ARES_RR_OPT_OPTIONS);
    const unsigned char* text = nullptr;
    size_t size = 0;
    if (ares_dns_rr_get_opt_byid(rr, ARES_RR_OPT_OPTIONS, 15, &text, &size) && size >= 2) {
      message.extended_error =
          StrCat(text[0] << 8 | text[1], " ", std::string(text + 2, text + size));
    }
  }
  for (size_t i = 0; i < ares_dns_record_rr_cnt(created, ARES_SECTION_AUTHORITY); ++i) {
    const auto* rr = ares_dns_record_rr_get_const(created, ARES_SECTION_AUTHORITY, i);
    if (ares_dns_rr_get_type(rr) != ARES_REC_TYPE_SOA) continue;
    message.soa =
        StrCat(ares_dns_rr_get_name(rr), " ", ares_dns_rr_get_u32(rr, ARES_RR_SOA_MINIMUM));
  }
  return message;
}

inline void AddRecord(ares_dns_record_t* to, ares_dns_section_t section, const TestRecord& record) {
  ares_dns_rr_t* rr = nullptr;
  ASSERT_EQ(ares_dns_record_rr_add(&rr, to, section, record.owner.c_str(),
                                   static_cast<ares_dns_rec_type_t>(record.type), ARES_CLASS_IN,
                                   record.ttl),
            ARES_SUCCESS);
  const auto address = IpAddress::Parse(record.data);
  const auto words = StrSplit(record.data, ' ');
  const auto number = [&](size_t i) {
    return static_cast<uint16_t>(ParseDecimal(words.at(i), 65535).value_or(0));
  };
  switch (record.type) {
    case ARES_REC_TYPE_A:
      ares_dns_rr_set_addr(rr, ARES_RR_A_ADDR,
                           reinterpret_cast<const in_addr*>(address->bytes().data()));
      break;
    case ARES_REC_TYPE_AAAA:
      ares_dns_rr_set_addr6(rr, ARES_RR_AAAA_ADDR,
                            reinterpret_cast<const ares_in6_addr*>(address->bytes().data()));
      break;
    case ARES_REC_TYPE_CNAME:
      ares_dns_rr_set_str(rr, ARES_RR_CNAME_CNAME, record.data.c_str());
      break;
    case ARES_REC_TYPE_MX:
      ares_dns_rr_set_u16(rr, ARES_RR_MX_PREFERENCE, number(0));
      ares_dns_rr_set_str(rr, ARES_RR_MX_EXCHANGE, std::string(words.at(1)).c_str());
      break;
    case ARES_REC_TYPE_SRV:
      ares_dns_rr_set_u16(rr, ARES_RR_SRV_PRIORITY, number(0));
      ares_dns_rr_set_u16(rr, ARES_RR_SRV_WEIGHT, number(1));
      ares_dns_rr_set_u16(rr, ARES_RR_SRV_PORT, number(2));
      ares_dns_rr_set_str(rr, ARES_RR_SRV_TARGET, std::string(words.at(3)).c_str());
      break;
    case ARES_REC_TYPE_TXT:
      ares_dns_rr_add_abin(rr, ARES_RR_TXT_DATA,
                           reinterpret_cast<const unsigned char*>(record.data.data()),
                           record.data.size());
      break;
    case ARES_REC_TYPE_SOA:  // data: the minimum
      ares_dns_rr_set_str(rr, ARES_RR_SOA_MNAME, "ns.example");
      ares_dns_rr_set_str(rr, ARES_RR_SOA_RNAME, "root.example");
      ares_dns_rr_set_u32(rr, ARES_RR_SOA_MINIMUM, number(0));
      break;
    default:
      FAIL() << "no such record in tests: " << record.type;
  }
}

// The host's resolver: UDP and TCP on one loopback port, in the test's own loop.
class FakeUpstream {
 public:
  struct Reply {
    int rcode = ARES_RCODE_NOERROR;
    std::vector<TestRecord> answers = {};
    std::vector<TestRecord> authority = {};
    bool truncate_udp = false;
    bool silent = false;
  };

  explicit FakeUpstream(TestLoop* loop) : loop_(loop) {
    Open(udp_, SOCK_DGRAM);
    Open(tcp_, SOCK_STREAM);
    EXPECT_EQ(listen(tcp_.get(), 16), 0);
    EXPECT_TRUE(loop->Watch(udp_.get(), EPOLLIN, [this](uint32_t) { OnUdp(); }).ok());
    EXPECT_TRUE(loop->Watch(tcp_.get(), EPOLLIN, [this](uint32_t) { OnAccept(); }).ok());
  }
  ~FakeUpstream() {
    loop_->Unwatch(udp_.get());
    loop_->Unwatch(tcp_.get());
    for (const auto& [fd, owner] : connections_) loop_->Unwatch(fd);
  }

  Endpoint endpoint() const { return {IpAddress::V4(127, 0, 0, 1), port_}; }
  void Set(const std::string& name, int type, Reply reply) {
    replies_[{name, type}] = std::move(reply);
  }
  // The questions seen: "name type", with "/tcp" behind where it came so.
  std::vector<std::string> seen;
  std::vector<std::vector<uint8_t>> raw;
  bool held = false;         // questions are kept until Release()
  std::set<uint16_t> ports;  // that they came from

  // What arrives before the answer, made from it.
  void Forge(std::function<std::vector<std::vector<uint8_t>>(const std::vector<uint8_t>&)> forge) {
    forge_ = std::move(forge);
  }

  void Release() {
    held = false;
    for (auto& answer : std::exchange(kept_, {})) answer();
  }

 private:
  void Open(UniqueFd& fd, int type) {
    fd.reset(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_storage storage;
    socklen_t length = ToSockaddr({IpAddress::V4(127, 0, 0, 1), port_}, storage);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length), 0) << errno;
    ASSERT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length), 0);
    port_ = FromSockaddr(storage)->port;
  }

  std::vector<uint8_t> Answer(const std::vector<uint8_t>& query, bool tcp) {
    const TestMessage asked = ReadMessage(query);
    raw.push_back(query);
    seen.push_back(StrCat(asked.question, " ",
                          ares_dns_rec_type_tostr(static_cast<ares_dns_rec_type_t>(asked.type)),
                          tcp ? "/tcp" : ""));
    const auto found = replies_.find({asked.question, asked.type});
    const Reply reply =
        found == replies_.end() ? Reply{ARES_RCODE_NXDOMAIN, {}, {}} : found->second;
    if (reply.silent) return {};
    const bool truncate = reply.truncate_udp && !tcp;
    ares_dns_record_t* created = nullptr;
    const auto flags = ARES_FLAG_QR | ARES_FLAG_RD | ARES_FLAG_RA | (truncate ? ARES_FLAG_TC : 0);
    EXPECT_EQ(ares_dns_record_create(&created, static_cast<uint16_t>(asked.id),
                                     static_cast<uint16_t>(flags), ARES_OPCODE_QUERY,
                                     static_cast<ares_dns_rcode_t>(reply.rcode)),
              ARES_SUCCESS);
    const DnsRecordPtr record(created);
    ares_dns_record_query_add(created, asked.question.c_str(),
                              static_cast<ares_dns_rec_type_t>(asked.type), ARES_CLASS_IN);
    if (!truncate) {
      for (const auto& answer : reply.answers) AddRecord(created, ARES_SECTION_ANSWER, answer);
      for (const auto& soa : reply.authority) AddRecord(created, ARES_SECTION_AUTHORITY, soa);
    }
    unsigned char* buffer = nullptr;
    size_t size = 0;
    EXPECT_EQ(ares_dns_write(created, &buffer, &size), ARES_SUCCESS);
    std::vector<uint8_t> bytes(buffer, buffer + size);
    ares_free_string(buffer);
    return bytes;
  }

  void OnUdp() {
    for (;;) {
      std::vector<uint8_t> query(65535);
      sockaddr_storage from;
      socklen_t length = sizeof from;
      const ssize_t size = recvfrom(udp_.get(), query.data(), query.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &length);
      if (size < 0) return;
      query.resize(static_cast<size_t>(size));
      ports.insert(FromSockaddr(from)->port);
      const auto answer = [this, query, from, length] {
        const auto send = [&](const std::vector<uint8_t>& bytes) {
          if (bytes.empty()) return;
          (void)sendto(udp_.get(), bytes.data(), bytes.size(), 0,
                       reinterpret_cast<const sockaddr*>(&from), length);
        };
        const auto bytes = Answer(query, false);
        if (forge_) {
          for (auto& forged : forge_(bytes)) send(forged);
        }
        send(bytes);
      };
      held ? kept_.push_back(answer) : answer();
    }
  }
  void OnAccept() {
    const int fd = accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    connections_[fd] = UniqueFd(fd);
    EXPECT_TRUE(loop_->Watch(fd, EPOLLIN, [this, fd](uint32_t) { OnTcp(fd); }).ok());
  }
  void OnTcp(int fd) {
    uint8_t buffer[4096];  // the queries of these tests come in one piece
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 2) {
      loop_->Unwatch(fd);
      connections_.erase(fd);
      return;
    }
    auto bytes = Answer({buffer + 2, buffer + size}, true);
    const uint8_t prefix[] = {static_cast<uint8_t>(bytes.size() >> 8),
                              static_cast<uint8_t>(bytes.size())};
    bytes.insert(bytes.begin(), prefix, prefix + 2);
    EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  TestLoop* loop_;
  UniqueFd udp_, tcp_;
  uint16_t port_ = 0;
  std::map<std::pair<std::string, int>, Reply> replies_;
  std::vector<std::function<void()>> kept_;
  std::function<std::vector<std::vector<uint8_t>>(const std::vector<uint8_t>&)> forge_;
  std::map<int, UniqueFd> connections_;
};

// A query as a client writes it.
struct TestQuery {
  std::string name = {};
  int type = ARES_REC_TYPE_A;
  int id = 0x1234;
  int qclass = ARES_CLASS_IN;
  std::optional<uint16_t> edns_size = {};
  uint8_t edns_version = 0;
  int edns_flags = 0;
  std::vector<uint8_t> edns_options = {};

  std::vector<uint8_t> Bytes() const {
    std::vector<uint8_t> out = {
        static_cast<uint8_t>(id >> 8),          static_cast<uint8_t>(id), 1, 0, 0, 1, 0, 0, 0, 0, 0,
        static_cast<uint8_t>(edns_size ? 1 : 0)};
    for (const std::string_view label : StrSplit(name, '.')) {
      out.push_back(static_cast<uint8_t>(label.size()));
      out.insert(out.end(), label.begin(), label.end());
    }
    if (!name.empty()) out.push_back(0);
    const auto u16 = [&](int value) {
      out.push_back(static_cast<uint8_t>(value >> 8));
      out.push_back(static_cast<uint8_t>(value));
    };
    u16(type);
    u16(qclass);
    if (edns_size) {
      out.push_back(0);
      u16(ARES_REC_TYPE_OPT);
      u16(*edns_size);
      out.push_back(0);
      out.push_back(edns_version);
      u16(edns_flags);
      u16(static_cast<int>(edns_options.size()));
      out.insert(out.end(), edns_options.begin(), edns_options.end());
    }
    return out;
  }
};

// Filter, server and upstream together.
class DnsWorld {
 public:
  explicit DnsWorld(std::optional<std::string> lines, ResolverConfig config = {})
      : upstream(&loop) {
    FilterOptions options;
    if (lines) {
      options.rules.emplace();
      const Status status = options.rules->AddText("allowed_ips", *lines);
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    options.on_refusal = [this](const RefusalEvent& event) { refusals.push_back(event); };
    filter.emplace(std::move(options));
    if (config.servers.empty()) config.servers = {{upstream.endpoint()}};
    Serve(std::move(config));
  }

  // Anew, with that configuration.
  void Serve(ResolverConfig config) {
    server.reset();
    auto created = DnsServer::Create(std::move(config), &*filter, &loop);
    EXPECT_TRUE(created.ok()) << created.status().ToString();
    server = std::move(created).value();
  }

  // Sends; the reply arrives in `replies` sooner or later.
  void Send(const std::vector<uint8_t>& bytes, DnsTransport transport = DnsTransport::kUdp) {
    server->HandleQuery(bytes, transport, [this](std::vector<uint8_t> reply) {
      replies.push_back(std::move(reply));
    });
  }
  TestMessage AskQuery(const TestQuery& query, DnsTransport transport = DnsTransport::kUdp) {
    const size_t before = replies.size();
    Send(query.Bytes(), transport);
    EXPECT_TRUE(loop.RunUntil([&] { return replies.size() > before; })) << query.name;
    return replies.size() > before ? ReadMessage(replies.back()) : TestMessage();
  }
  TestMessage Ask(const std::string& name, int type = ARES_REC_TYPE_A) {
    return AskQuery({.name = name, .type = type});
  }
  // As dig asks: with EDNS, so that a refusal is one.
  TestMessage Dig(const std::string& name, int type = ARES_REC_TYPE_A) {
    return AskQuery({.name = name, .type = type, .edns_size = 1232});
  }
  bool TcpOpen(std::string_view address, uint16_t port = 80) {
    return filter->CheckFlow(Protocol::kTcp, {*IpAddress::Parse(address), port}, loop.Now())
        .allowed;
  }

  TestLoop loop;
  FakeUpstream upstream;
  std::vector<RefusalEvent> refusals;
  std::optional<Filter> filter;
  std::unique_ptr<DnsServer> server;
  std::vector<std::vector<uint8_t>> replies;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_DNS_TEST_WORLD_H_
