#include "netstack/dns/upstream.h"

#include <sys/epoll.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "netstack/dns/message.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;

constexpr int kMaxCnames = 8;
constexpr seconds kMaxTtl{3600};
constexpr seconds kMaxNegativeTtl{60};
constexpr seconds kNegativeTtlWithoutSoa{5};
constexpr unsigned short kUdpPayload = 1232;
// A source port for each (RFC 5452, section 4.5).
constexpr int kQueriesPerSocket = 1;
// More than any client makes use of; what is kept of one answer stays small.
constexpr size_t kMaxAnswerBytes = 16384;

std::string_view WithoutFinalDot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool SameName(const char* a, std::string_view b) {
  return AsciiLower(WithoutFinalDot(a)) == AsciiLower(WithoutFinalDot(b));
}

std::string OrEmpty(const char* text) { return text ? text : ""; }

Answer Unanswered() {
  Answer answer;
  answer.extended_error = {ede::kNetworkError, "the host's resolver failed"};
  return answer;
}

DnsRecordPtr BuildQuery(const std::string& name, uint16_t type) {
  ares_dns_record_t* created = nullptr;
  if (ares_dns_record_create(&created, 0, ARES_FLAG_RD, ARES_OPCODE_QUERY, ARES_RCODE_NOERROR) !=
      ARES_SUCCESS) {
    return nullptr;
  }
  DnsRecordPtr record(created);
  ares_dns_rr_t* opt = nullptr;
  const bool built =
      ares_dns_record_query_add(created, name.c_str(), static_cast<ares_dns_rec_type_t>(type),
                                ARES_CLASS_IN) == ARES_SUCCESS &&
      ares_dns_record_rr_add(&opt, created, ARES_SECTION_ADDITIONAL, "", ARES_REC_TYPE_OPT,
                             ARES_CLASS_IN, 0) == ARES_SUCCESS &&
      ares_dns_rr_set_u16(opt, ARES_RR_OPT_UDP_SIZE, kUdpPayload) == ARES_SUCCESS &&
      ares_dns_rr_set_u8(opt, ARES_RR_OPT_VERSION, 0) == ARES_SUCCESS &&
      ares_dns_rr_set_u16(opt, ARES_RR_OPT_FLAGS, 0) == ARES_SUCCESS;
  return built ? std::move(record) : nullptr;
}

DataRecord ReadData(const ares_dns_rr_t* rr, uint16_t type) {
  DataRecord data;
  switch (type) {
    case rrtype::kMx:
      data.priority = ares_dns_rr_get_u16(rr, ARES_RR_MX_PREFERENCE);
      data.target = OrEmpty(ares_dns_rr_get_str(rr, ARES_RR_MX_EXCHANGE));
      break;
    case rrtype::kSrv:
      data.priority = ares_dns_rr_get_u16(rr, ARES_RR_SRV_PRIORITY);
      data.weight = ares_dns_rr_get_u16(rr, ARES_RR_SRV_WEIGHT);
      data.port = ares_dns_rr_get_u16(rr, ARES_RR_SRV_PORT);
      data.target = OrEmpty(ares_dns_rr_get_str(rr, ARES_RR_SRV_TARGET));
      break;
    case rrtype::kTxt:
      for (size_t i = 0; i < ares_dns_rr_get_abin_cnt(rr, ARES_RR_TXT_DATA); ++i) {
        size_t size = 0;
        const unsigned char* bytes = ares_dns_rr_get_abin(rr, ARES_RR_TXT_DATA, i, &size);
        data.strings.emplace_back(bytes, bytes + size);
      }
      break;
    default:
      break;
  }
  return data;
}

void ReadRecord(const ares_dns_rr_t* rr, uint16_t type, Answer& answer) {
  if (type == rrtype::kA) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(ares_dns_rr_get_addr(rr, ARES_RR_A_ADDR));
    if (bytes) answer.addresses.push_back(IpAddress::V4(std::span<const uint8_t, 4>(bytes, 4)));
  } else if (type == rrtype::kAaaa) {
    const auto* bytes =
        reinterpret_cast<const uint8_t*>(ares_dns_rr_get_addr6(rr, ARES_RR_AAAA_ADDR));
    if (bytes) answer.addresses.push_back(IpAddress::V6(std::span<const uint8_t, 16>(bytes, 16)));
  } else {
    answer.records.push_back(ReadData(rr, type));
  }
}

seconds TtlOf(const ares_dns_rr_t* rr) {
  // A TTL with the top bit set counts as zero (RFC 2181, section 8).
  const unsigned ttl = ares_dns_rr_get_ttl(rr);
  return ttl > 0x7fffffffu ? seconds(0) : seconds(ttl);
}

// How long "there is none" may be believed (RFC 2308, section 5).
seconds NegativeTtl(const ares_dns_record_t* record) {
  for (size_t i = 0; i < ares_dns_record_rr_cnt(record, ARES_SECTION_AUTHORITY); ++i) {
    const ares_dns_rr_t* rr = ares_dns_record_rr_get_const(record, ARES_SECTION_AUTHORITY, i);
    if (ares_dns_rr_get_type(rr) != ARES_REC_TYPE_SOA) continue;
    const seconds minimum(ares_dns_rr_get_u32(rr, ARES_RR_SOA_MINIMUM));
    return std::min({TtlOf(rr), minimum, kMaxNegativeTtl});
  }
  return kNegativeTtlWithoutSoa;
}

size_t BytesOf(const Answer& answer) {
  size_t bytes = answer.addresses.size() * sizeof(IpAddress);
  for (const DataRecord& data : answer.records) {
    bytes += sizeof data + data.target.size();
    for (const std::string& text : data.strings) bytes += text.size();
  }
  return bytes;
}

}  // namespace

Answer ReadAnswer(const ares_dns_record_t* record, const std::string& name, uint16_t type) {
  Answer answer;
  const ares_dns_rcode_t rcode = ares_dns_record_get_rcode(record);
  if (rcode != ARES_RCODE_NOERROR && rcode != ARES_RCODE_NXDOMAIN) return answer;
  const size_t count = ares_dns_record_rr_cnt(record, ARES_SECTION_ANSWER);
  std::string owner = name;
  seconds ttl = kMaxTtl;
  for (int cnames = 0;; ++cnames) {
    if (cnames > kMaxCnames) return answer;  // kServFail: a loop, or as good as one
    const char* next = nullptr;
    for (size_t i = 0; i < count; ++i) {
      const ares_dns_rr_t* rr = ares_dns_record_rr_get_const(record, ARES_SECTION_ANSWER, i);
      if (ares_dns_rr_get_class(rr) != ARES_CLASS_IN) continue;
      if (!SameName(ares_dns_rr_get_name(rr), owner)) continue;
      const auto rr_type = static_cast<uint32_t>(ares_dns_rr_get_type(rr));
      if (rr_type == type) {
        ReadRecord(rr, type, answer);
        ttl = std::min(ttl, TtlOf(rr));
      } else if (rr_type == ARES_REC_TYPE_CNAME && !next) {
        next = ares_dns_rr_get_str(rr, ARES_RR_CNAME_CNAME);
        ttl = std::min(ttl, TtlOf(rr));
      }
    }
    if (!next || !answer.addresses.empty() || !answer.records.empty()) break;
    owner = next;
    if (auto alias = NormalizeName(owner)) answer.aliases.push_back(*std::move(alias));
  }
  if (BytesOf(answer) > kMaxAnswerBytes) return Answer();
  const bool found = !answer.addresses.empty() || !answer.records.empty();
  answer.rcode = found || rcode == ARES_RCODE_NOERROR ? Rcode::kNoError : Rcode::kNxDomain;
  answer.ttl = found ? ttl : std::min(ttl, NegativeTtl(record));
  return answer;
}

struct Upstream::Request {
  Upstream* upstream;
  std::string name;
  uint16_t type;
  Callback callback;  // empty once it was given up
  std::optional<EventLoop::TimerId> patience = {};
};

Result<std::unique_ptr<Upstream>> Upstream::Create(const ResolverConfig& config, EventLoop* loop) {
  std::unique_ptr<Upstream> upstream(new Upstream(config, loop));
  // What there is to know came with `config`. c-ares would read files of the host's all the same,
  // /etc/nsswitch.conf and two more, were it not that it stops at the first that it can't open for
  // another reason than that there is none; this one is below what is no directory.
  char no_file[] = "/dev/null/none";
  // Unused (ARES_FLAG_NOSEARCH); without it c-ares would make one of the host's name.
  char no_domain[] = "invalid";
  char* domains[] = {no_domain};
  ares_options options{};
  options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  if (config.use_tcp) options.flags |= ARES_FLAG_USEVC;
  options.timeout = static_cast<int>(config.timeout.count());
  options.tries = config.attempts;
  options.domains = domains;
  options.ndomains = 1;
  options.resolvconf_path = no_file;
  options.hosts_path = no_file;
  options.qcache_max_ttl = 0;  // the server has its own, which knows about pins
  options.udp_max_queries = kQueriesPerSocket;
  options.sock_state_cb = OnSocketState;
  options.sock_state_cb_data = upstream.get();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
                   ARES_OPT_RESOLVCONF | ARES_OPT_HOSTS_FILE | ARES_OPT_QUERY_CACHE |
                   ARES_OPT_UDP_MAX_QUERIES | ARES_OPT_SOCK_STATE_CB |
                   (config.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
  int status = ares_init_options(&upstream->channel_, &options, mask);
  if (status == ARES_SUCCESS) {
    MINI_RETURN_IF_ERROR(upstream->sockets_.Install(upstream->channel_));
    status = upstream->TakeServers(config.servers);
  }
  if (status != ARES_SUCCESS) {
    return Status(StatusCode::kSystem, Stage::kNetwork,
                  StrCat("set up the resolver: ", ares_strerror(status)));
  }
  return upstream;
}

Upstream::~Upstream() {
  closing_ = true;
  if (timer_) loop_->CancelTimer(*timer_);
  if (channel_) ares_destroy(channel_);  // closes its sockets, and ends every request
}

void Upstream::SetServers(const std::vector<NameServer>& servers) {
  // Fails for want of memory only; then the old ones stay.
  (void)TakeServers(servers);
  SetTimer();
}

int Upstream::TakeServers(const std::vector<NameServer>& servers) {
  return ares_set_servers_ports_csv(channel_, sockets_.ServerList(servers).c_str());
}

void Upstream::Resolve(const std::string& name, uint16_t type, Callback callback) {
  auto request = std::make_unique<Request>(Request{this, name, type, std::move(callback)});
  const DnsRecordPtr query = BuildQuery(name, type);
  if (!query) return request->callback(Answer());
  request->patience = loop_->AddTimer(kPatience, [given_up = request.get()] {
    given_up->patience.reset();
    std::exchange(given_up->callback, nullptr)(Unanswered());
  });
  ++outstanding_;
  // Whatever it returns, OnAnswer has been called or will be, and frees the request.
  (void)ares_send_dnsrec(channel_, query.get(), OnAnswer, request.release(), nullptr);
  SetTimer();
}

void Upstream::OnAnswer(void* argument, ares_status_t status, size_t /*timeouts*/,
                        const ares_dns_record_t* record) {
  const std::unique_ptr<Request> request(static_cast<Request*>(argument));
  Upstream& upstream = *request->upstream;
  --upstream.outstanding_;
  if (request->patience) upstream.loop_->CancelTimer(*request->patience);
  if (upstream.closing_ || !request->callback) return;
  const bool answered = status == ARES_SUCCESS && record;
  request->callback(answered ? ReadAnswer(record, request->name, request->type) : Unanswered());
}

void Upstream::OnSocketState(void* argument, ares_socket_t fd, int readable, int writable) {
  auto* self = static_cast<Upstream*>(argument);
  if (!readable && !writable) return self->loop_->Unwatch(fd);
  const uint32_t events =
      (readable ? uint32_t{EPOLLIN} : 0u) | (writable ? uint32_t{EPOLLOUT} : 0u);
  // A socket that can't be watched is one that never answers: c-ares' time-out deals with it.
  (void)self->loop_->Watch(fd, events,
                           [self, fd](uint32_t happened) { self->OnReady(fd, happened); });
}

void Upstream::OnReady(int fd, uint32_t epoll_events) {
  ares_fd_events_t event{};
  event.fd = fd;
  if (epoll_events & (EPOLLIN | EPOLLERR | EPOLLHUP)) event.events |= ARES_FD_EVENT_READ;
  if (epoll_events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) event.events |= ARES_FD_EVENT_WRITE;
  (void)ares_process_fds(channel_, &event, 1, ARES_PROCESS_FLAG_NONE);
  SetTimer();
}

void Upstream::SetTimer() {
  if (timer_) loop_->CancelTimer(*timer_);
  timer_.reset();
  timeval next{};
  if (!ares_timeout(channel_, nullptr, &next)) return;
  // A millisecond late, so that it is past c-ares' own reading of the clock.
  const Duration delay = seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec + 1000);
  timer_ = loop_->AddTimer(delay, [this] {
    timer_.reset();
    (void)ares_process_fds(channel_, nullptr, 0, ARES_PROCESS_FLAG_NONE);
    SetTimer();
  });
}

}  // namespace mini::netstack
