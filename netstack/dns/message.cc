#include "netstack/dns/message.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/strings.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {
namespace {

// RFC 9715: larger replies would be fragmented somewhere.
constexpr uint16_t kUdpPayload = 1232;
constexpr size_t kMinUdpPayload = 512;
constexpr size_t kHeaderSize = 12;

struct Header {
  uint16_t id;
  bool is_reply;
  uint8_t opcode;
  bool recursion_desired;
  uint16_t questions, answers, authorities, additionals;
};

std::optional<Header> ReadHeader(std::span<const uint8_t> message) {
  ByteReader reader(message);
  Header header{};
  header.id = reader.U16();
  const uint16_t flags = reader.U16();
  header.is_reply = (flags & 0x8000) != 0;
  header.opcode = static_cast<uint8_t>(flags >> 11 & 0xf);
  header.recursion_desired = (flags & 0x0100) != 0;
  header.questions = reader.U16();
  header.answers = reader.U16();
  header.authorities = reader.U16();
  header.additionals = reader.U16();
  if (reader.failed()) return std::nullopt;
  return header;
}

// The bytes of the one question: a name that is not compressed, type, class.
std::vector<uint8_t> ReadQuestion(std::span<const uint8_t> message) {
  ByteReader reader(message);
  reader.Skip(kHeaderSize);
  for (uint8_t length = reader.U8(); length != 0; length = reader.U8()) {
    if (length > 63) return {};
    reader.Skip(length);
  }
  reader.Skip(4);
  if (reader.failed()) return {};
  const auto question = message.subspan(kHeaderSize, reader.position() - kHeaderSize);
  return {question.begin(), question.end()};
}

// Reads the OPT record, if there is one; kNoError when all is well.
Rcode ReadEdns(const ares_dns_record_t* record, Query& query) {
  const size_t count = ares_dns_record_rr_cnt(record, ARES_SECTION_ADDITIONAL);
  for (size_t i = 0; i < count; ++i) {
    const ares_dns_rr_t* rr = ares_dns_record_rr_get_const(record, ARES_SECTION_ADDITIONAL, i);
    if (ares_dns_rr_get_type(rr) != ARES_REC_TYPE_OPT) continue;
    if (query.has_edns) return Rcode::kFormErr;  // RFC 6891, section 6.1.1: at most one
    query.has_edns = true;
    if (ares_dns_rr_get_u8(rr, ARES_RR_OPT_VERSION) != 0) return Rcode::kBadVers;
    const size_t advertised = ares_dns_rr_get_u16(rr, ARES_RR_OPT_UDP_SIZE);
    query.udp_limit = std::clamp<size_t>(advertised, kMinUdpPayload, kUdpPayload);
  }
  return Rcode::kNoError;
}

bool HasRecords(const Answer& answer) {
  return !answer.addresses.empty() || !answer.records.empty();
}

bool AddAddress(ares_dns_record_t* record, const Query& query, const IpAddress& address,
                unsigned ttl) {
  const auto bytes = address.bytes();
  ares_dns_rr_t* rr = nullptr;
  const auto type = address.is_v4() ? ARES_REC_TYPE_A : ARES_REC_TYPE_AAAA;
  if (ares_dns_record_rr_add(&rr, record, ARES_SECTION_ANSWER, query.asked.c_str(), type,
                             ARES_CLASS_IN, ttl) != ARES_SUCCESS) {
    return false;
  }
  if (address.is_v4()) {
    in_addr v4;
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(&v4));
    return ares_dns_rr_set_addr(rr, ARES_RR_A_ADDR, &v4) == ARES_SUCCESS;
  }
  ares_in6_addr v6;
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(&v6));
  return ares_dns_rr_set_addr6(rr, ARES_RR_AAAA_ADDR, &v6) == ARES_SUCCESS;
}

ares_status_t SetData(ares_dns_rr_t* rr, uint16_t type, const DataRecord& data) {
  switch (type) {
    case rrtype::kPtr:
      return ares_dns_rr_set_str(rr, ARES_RR_PTR_DNAME, data.target.c_str());
    case rrtype::kMx:
      if (ares_dns_rr_set_u16(rr, ARES_RR_MX_PREFERENCE, data.priority) != ARES_SUCCESS) break;
      return ares_dns_rr_set_str(rr, ARES_RR_MX_EXCHANGE, data.target.c_str());
    case rrtype::kSrv:
      if (ares_dns_rr_set_u16(rr, ARES_RR_SRV_PRIORITY, data.priority) != ARES_SUCCESS) break;
      if (ares_dns_rr_set_u16(rr, ARES_RR_SRV_WEIGHT, data.weight) != ARES_SUCCESS) break;
      if (ares_dns_rr_set_u16(rr, ARES_RR_SRV_PORT, data.port) != ARES_SUCCESS) break;
      return ares_dns_rr_set_str(rr, ARES_RR_SRV_TARGET, data.target.c_str());
    case rrtype::kTxt:
      for (const std::string& text : data.strings) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
        const auto status = ares_dns_rr_add_abin(rr, ARES_RR_TXT_DATA, bytes, text.size());
        if (status != ARES_SUCCESS) return status;
      }
      return ARES_SUCCESS;
    default:
      break;
  }
  return ARES_EFORMERR;
}

bool AddData(ares_dns_record_t* record, const Query& query, const DataRecord& data, unsigned ttl) {
  ares_dns_rr_t* rr = nullptr;
  return ares_dns_record_rr_add(&rr, record, ARES_SECTION_ANSWER, query.asked.c_str(),
                                static_cast<ares_dns_rec_type_t>(query.type), ARES_CLASS_IN,
                                ttl) == ARES_SUCCESS &&
         SetData(rr, query.type, data) == ARES_SUCCESS;
}

bool AddAnswer(ares_dns_record_t* record, const Query& query, const Answer& answer) {
  const auto ttl = static_cast<unsigned>(std::max<int64_t>(answer.ttl.count(), 0));
  for (const IpAddress& address : answer.addresses) {
    if (!AddAddress(record, query, address, ttl)) return false;
  }
  for (const DataRecord& data : answer.records) {
    if (!AddData(record, query, data, ttl)) return false;
  }
  return true;
}

// A negative answer may be remembered only if it says for how long, in the SOA record of the zone
// (RFC 2308, section 5). Ours is made up, as the answer is: it tells nothing but that time. Its
// owner has to be the name or one above it, and above it if the name is said not to exist.
bool AddSoa(ares_dns_record_t* record, const Query& query, const Answer& answer) {
  std::string owner = query.asked;
  if (answer.rcode == Rcode::kNxDomain) {
    owner = owner.substr(std::min(owner.find('.'), owner.size() - 1) + 1);
  }
  const auto ttl = static_cast<unsigned>(answer.ttl.count());
  ares_dns_rr_t* rr = nullptr;
  const auto set = [&rr](ares_dns_rr_key_t key, unsigned value) {
    return ares_dns_rr_set_u32(rr, key, value) == ARES_SUCCESS;
  };
  return ares_dns_record_rr_add(&rr, record, ARES_SECTION_AUTHORITY, owner.c_str(),
                                ARES_REC_TYPE_SOA, ARES_CLASS_IN, ttl) == ARES_SUCCESS &&
         ares_dns_rr_set_str(rr, ARES_RR_SOA_MNAME, "") == ARES_SUCCESS &&
         ares_dns_rr_set_str(rr, ARES_RR_SOA_RNAME, "") == ARES_SUCCESS &&
         set(ARES_RR_SOA_SERIAL, 1) && set(ARES_RR_SOA_REFRESH, ttl) &&
         set(ARES_RR_SOA_RETRY, ttl) && set(ARES_RR_SOA_EXPIRE, ttl) &&
         set(ARES_RR_SOA_MINIMUM, ttl);
}

bool AddEdns(ares_dns_record_t* record, const Answer& answer) {
  ares_dns_rr_t* rr = nullptr;
  if (ares_dns_record_rr_add(&rr, record, ARES_SECTION_ADDITIONAL, "", ARES_REC_TYPE_OPT,
                             ARES_CLASS_IN, 0) != ARES_SUCCESS ||
      ares_dns_rr_set_u16(rr, ARES_RR_OPT_UDP_SIZE, kUdpPayload) != ARES_SUCCESS ||
      ares_dns_rr_set_u8(rr, ARES_RR_OPT_VERSION, 0) != ARES_SUCCESS ||
      ares_dns_rr_set_u16(rr, ARES_RR_OPT_FLAGS, 0) != ARES_SUCCESS) {
    return false;
  }
  if (!answer.extended_error) return true;
  constexpr uint16_t kExtendedError = 15;  // RFC 8914, section 2
  const auto& [code, text] = *answer.extended_error;
  std::vector<uint8_t> option = {static_cast<uint8_t>(code >> 8), static_cast<uint8_t>(code)};
  option.insert(option.end(), text.begin(), text.end());
  return ares_dns_rr_set_opt(rr, ARES_RR_OPT_OPTIONS, kExtendedError, option.data(),
                             option.size()) == ARES_SUCCESS;
}

enum class Completeness { kWhole, kTruncated };

std::vector<uint8_t> Write(const Query& query, const Answer& answer, Completeness completeness) {
  unsigned flags = ARES_FLAG_QR | ARES_FLAG_RA;
  if (query.recursion_desired) flags |= ARES_FLAG_RD;
  if (completeness == Completeness::kTruncated) flags |= ARES_FLAG_TC;
  ares_dns_record_t* created = nullptr;
  if (ares_dns_record_create(&created, query.id, static_cast<uint16_t>(flags), ARES_OPCODE_QUERY,
                             static_cast<ares_dns_rcode_t>(answer.rcode)) != ARES_SUCCESS) {
    return {};
  }
  const DnsRecordPtr record(created);
  if (query.has_question &&
      ares_dns_record_query_add(created, query.asked.c_str(),
                                static_cast<ares_dns_rec_type_t>(query.type),
                                static_cast<ares_dns_class_t>(query.qclass)) != ARES_SUCCESS) {
    return {};
  }
  if (!AddAnswer(created, query, answer)) return {};
  const bool negative =
      answer.rcode == Rcode::kNxDomain || (answer.rcode == Rcode::kNoError && !HasRecords(answer));
  if (negative && answer.ttl.count() > 0 && completeness == Completeness::kWhole &&
      !AddSoa(created, query, answer))
    return {};
  if (query.has_edns && !AddEdns(created, answer)) return {};
  unsigned char* buffer = nullptr;
  size_t size = 0;
  if (ares_dns_write(created, &buffer, &size) != ARES_SUCCESS) return {};
  std::vector<uint8_t> message(buffer, buffer + size);
  ares_free_string(buffer);
  return message;
}

// With as many addresses as fit: musl up to 1.2.3 takes what there is, and does not ask again over
// TCP. Of other records none, since a part of them may mean something else than the whole.
std::vector<uint8_t> WriteTruncated(const Query& query, Answer answer, size_t limit) {
  answer.records.clear();
  for (;;) {
    std::vector<uint8_t> message = Write(query, answer, Completeness::kTruncated);
    if (message.size() <= limit || answer.addresses.empty()) return message;
    // A record of the asked name, compressed: ten bytes, the name's two and the data's length.
    const size_t record = 12 + (answer.addresses[0].is_v4() ? 4 : 16);
    const size_t too_many = (message.size() - limit + record - 1) / record;
    answer.addresses.resize(answer.addresses.size() - std::min(too_many, answer.addresses.size()));
  }
}

// Header, question and an empty OPT record only, for what c-ares does not write: names that are no
// host names, asked for or in a record.
std::vector<uint8_t> WriteBare(const Query& query, Rcode rcode) {
  constexpr size_t kOptSize = 11;
  std::vector<uint8_t> message(kHeaderSize + query.question.size() +
                               (query.has_edns ? kOptSize : 0));
  ByteWriter writer(message);
  writer.U16(query.id);
  writer.U16(static_cast<uint16_t>(0x8080 | (query.recursion_desired ? 0x0100 : 0) |
                                   (static_cast<uint16_t>(rcode) & 0xf)));
  writer.U16(query.question.empty() ? 0 : 1);
  writer.U16(0);
  writer.U16(0);
  writer.U16(query.has_edns ? 1 : 0);
  writer.Bytes(query.question);
  if (query.has_edns) {
    writer.U8(0);  // the root's name
    writer.U16(ARES_REC_TYPE_OPT);
    writer.U16(kUdpPayload);
    writer.U8(static_cast<uint8_t>(static_cast<uint16_t>(rcode) >> 4));
    writer.U8(0);   // version
    writer.U16(0);  // flags
    writer.U16(0);  // length
  }
  return message;
}

std::optional<uint8_t> HexDigit(std::string_view label) {
  if (label.size() != 1) return std::nullopt;
  const char c = label[0];
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

std::optional<ParsedQuery> ParseQuery(std::span<const uint8_t> message) {
  const auto header = ReadHeader(message);
  if (!header || header->is_reply) return std::nullopt;
  ParsedQuery parsed;
  Query& query = parsed.query;
  query.id = header->id;
  query.recursion_desired = header->recursion_desired;
  if (header->opcode != ARES_OPCODE_QUERY) {
    parsed.rcode = Rcode::kNotImp;
    return parsed;
  }
  parsed.rcode = Rcode::kFormErr;
  // Before the parser sees it: it reserves memory for as many records as the header claims.
  // Additional: OPT, and a signature at most.
  const bool plausible = header->questions == 1 && header->answers == 0 &&
                         header->authorities == 0 && header->additionals <= 2;
  ares_dns_record_t* created = nullptr;
  if (!plausible || ares_dns_parse(message.data(), message.size(), 0, &created) != ARES_SUCCESS) {
    return parsed;
  }
  const DnsRecordPtr record(created);
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  ares_dns_class_t qclass{};
  if (ares_dns_record_query_get(created, 0, &name, &type, &qclass) != ARES_SUCCESS) return parsed;
  query.has_question = true;
  query.question = ReadQuestion(message);
  query.asked = name;
  query.name = NormalizeName(query.asked).value_or("");
  query.type = static_cast<uint16_t>(type);
  query.qclass = static_cast<uint16_t>(qclass);
  parsed.rcode = ReadEdns(created, query);
  return parsed;
}

std::vector<uint8_t> BuildReply(const Query& query, const Answer& answer, size_t limit) {
  std::vector<uint8_t> message = Write(query, answer, Completeness::kWhole);
  if (message.size() > limit) message = WriteTruncated(query, answer, limit);
  if (!message.empty()) return message;
  return WriteBare(query, HasRecords(answer) ? Rcode::kServFail : answer.rcode);
}

std::optional<IpAddress> ReverseAddress(std::string_view name) {
  constexpr std::string_view kV4 = ".in-addr.arpa";
  constexpr std::string_view kV6 = ".ip6.arpa";
  if (name.ends_with(kV4)) {
    const auto labels = StrSplit(name.substr(0, name.size() - kV4.size()), '.');
    if (labels.size() != 4) return std::nullopt;
    return IpAddress::Parse(StrCat(labels[3], ".", labels[2], ".", labels[1], ".", labels[0]));
  }
  if (!name.ends_with(kV6)) return std::nullopt;
  const auto labels = StrSplit(name.substr(0, name.size() - kV6.size()), '.');
  if (labels.size() != 32) return std::nullopt;
  std::array<uint8_t, 16> bytes{};
  for (size_t i = 0; i < labels.size(); ++i) {  // the lowest nibble comes first (RFC 3596, 2.5)
    const auto digit = HexDigit(labels[i]);
    if (!digit) return std::nullopt;
    const size_t nibble = labels.size() - 1 - i;
    const int shift = nibble % 2 == 0 ? 4 : 0;
    bytes[nibble / 2] = static_cast<uint8_t>(bytes[nibble / 2] | *digit << shift);
  }
  return IpAddress::V6(bytes);
}

}  // namespace mini::netstack
