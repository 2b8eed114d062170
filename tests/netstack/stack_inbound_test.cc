// Published ports through the whole stack, packet by packet, with real clients on loopback.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <thread>

#include "fake_sandbox.h"
#include "fake_tcp_client.h"
#include "host_server.h"
#include "log_file.h"
#include "notices.h"

namespace mini::netstack {
namespace {

constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kAck = 0x10;
constexpr uint16_t kInside = 8000;
constexpr auto kSoon = std::chrono::milliseconds(50);

struct Family {
  const char* name;
  IpFamily family;
  const char* loopback;
  const char* sandbox;
  const char* gateway;
};

constexpr Family kV4{"V4", IpFamily::kV4, "127.0.0.1", "198.18.0.1", "198.18.0.2"};
constexpr Family kV6{"V6", IpFamily::kV6, "::1", "fd6d:696e:6900::1", "fd6d:696e:6900::2"};

// socket(7), SO_LINGER: without a time, close(2) sends RST.
void ResetFromOutside(UniqueFd& client) {
  const linger now{1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  client.reset();
}

// A sandbox with one published port; `family` may be of either.
class Inbound : public testing::TestWithParam<Family> {
 protected:
  void Start(Protocol protocol = Protocol::kTcp, FakeSandboxOptions options = {}) {
    const int type = protocol == Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
    PublishedPort port;
    port.protocol = protocol;
    port.port = kInside;
    port.socket = Socket(type | SOCK_NONBLOCK);
    sockaddr_storage address;
    socklen_t length = ToSockaddr({*IpAddress::Parse(GetParam().loopback), 0}, address);
    ASSERT_EQ(bind(port.socket.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(getsockname(port.socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    port.host = published_ = *FromSockaddr(address);
    if (protocol == Protocol::kTcp) {
      ASSERT_EQ(listen(port.socket.get(), SOMAXCONN), 0);
    }
    options.inbound.sandbox_v4 = *IpAddress::Parse(kV4.sandbox);
    options.inbound.sandbox_v6 = *IpAddress::Parse(kV6.sandbox);
    options.inbound.gateway_v4 = *IpAddress::Parse(kV4.gateway);
    options.inbound.gateway_v6 = *IpAddress::Parse(kV6.gateway);
    options.inbound.on_notice = notices_.Taker();
    options.inbound.ports.push_back(std::move(port));
    options.verdict_log = log_.Writer();
    sandbox_.emplace(std::move(options));
  }

  UniqueFd Socket(int type) const {
    const int family = GetParam().family == IpFamily::kV4 ? AF_INET : AF_INET6;
    return UniqueFd(socket(family, type | SOCK_CLOEXEC, 0));
  }
  // A client of the host.
  UniqueFd Connect(int type = SOCK_STREAM) const {
    UniqueFd client = Socket(type);
    sockaddr_storage address;
    const socklen_t length = ToSockaddr(published_, address);
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    return client;
  }

  Endpoint Server() const { return {*IpAddress::Parse(GetParam().sandbox), kInside}; }
  // The next SYN of the stack.
  std::optional<SeenFrame> Syn(std::chrono::milliseconds patience = kPatience) {
    auto frame = sandbox_->ReceiveFor(kInside, patience);
    EXPECT_TRUE(!frame || frame->Is(kSyn)) << int{frame->flags};
    return frame;
  }
  FakeTcpClient ServerFor(const SeenFrame& syn) {
    return {*sandbox_, Server(), {syn.source, syn.source_port}};
  }
  // A client of the host's that the server inside has accepted.
  struct Connection {
    UniqueFd client;
    SeenFrame syn;
    FakeTcpClient server;
  };
  std::optional<Connection> Establish() {
    UniqueFd client = Connect();
    const auto syn = Syn();
    if (!syn) return std::nullopt;
    Connection connection{std::move(client), *syn, ServerFor(*syn)};
    if (!connection.server.Accept(*syn)) return std::nullopt;
    return connection;
  }
  TcpFields Answer(const SeenFrame& syn, uint8_t flags) const {
    return {.from = Server(),
            .to = {syn.source, syn.source_port},
            .acknowledgment = syn.sequence + 1,
            .flags = flags};
  }

  // The one verdict of that client and the end of its flow, once the stack has ended.
  void ExpectLogged(const Endpoint& client, std::string_view protocol, nlohmann::json end) {
    sandbox_->Stop();
    const auto verdicts = log_.Events("verdict"), ends = log_.Events("close");
    ASSERT_EQ(verdicts.size(), 1u);
    ASSERT_EQ(ends.size(), 1u);
    nlohmann::json expected = {{"verdict", "allowed"},
                               {"subject", "flow"},
                               {"direction", "in"},
                               {"flow", 1},
                               {"protocol", protocol},
                               {"address", client.address.ToString()},
                               {"port", client.port},
                               {"published", StrCat(published_.ToString(), ":", kInside)},
                               {"reason", "the port is published (-p)"}};
    for (const auto& [key, value] : expected.items()) EXPECT_EQ(verdicts[0][key], value) << key;
    EXPECT_EQ(verdicts[0].size(), expected.size() + 3) << "time, pid, event";
    for (const char* key : {"direction", "flow", "protocol", "address", "port"}) {
      end[key] = expected[key];
    }
    for (const auto& [key, value] : end.items()) EXPECT_EQ(ends[0][key], value) << key;
  }

  static Endpoint LocalOf(int fd) {
    sockaddr_storage address;
    socklen_t length = sizeof address;
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
    return FromSockaddr(address).value_or(Endpoint());
  }

  LogFile log_;
  Endpoint published_;
  Notices notices_;
  std::optional<FakeSandbox> sandbox_;
};

class InboundTcpFlows : public Inbound {};
class InboundDatagrams : public Inbound {};

constexpr auto kName = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(Families, InboundTcpFlows, testing::Values(kV4, kV6), kName);
INSTANTIATE_TEST_SUITE_P(Families, InboundDatagrams, testing::Values(kV4, kV6), kName);

TEST_P(InboundTcpFlows, SendsASynFromTheGatewayWhenAClientHasConnected) {
  Start();
  EXPECT_TRUE(sandbox_->Drain().empty());
  const UniqueFd client = Connect();
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  EXPECT_EQ(syn->source.ToString(), GetParam().gateway);
  EXPECT_GE(syn->source_port, 1024);
  EXPECT_EQ(syn->destination, Server().address);
  EXPECT_TRUE(syn->mss.has_value());
  EXPECT_TRUE(syn->window_scale.has_value());
  EXPECT_TRUE(ServerFor(*syn).Accept(*syn));
}

TEST_P(InboundTcpFlows, CarriesDataBothWays) {
  Start();
  auto connection = Establish();
  ASSERT_TRUE(connection);
  auto& [client, syn, server] = *connection;
  const Bytes greeting = Pattern(500, 1), question = Pattern(300000, 2), answer = Pattern(40000, 3);
  server.Write(greeting);
  EXPECT_EQ(ReadFrom(client.get(), greeting.size()), greeting);
  std::thread writer([&, &client = client] { EXPECT_TRUE(WriteTo(client.get(), question)); });
  EXPECT_EQ(server.ReadExactly(question.size()), question);
  writer.join();
  server.WriteOffloaded(answer, GetParam().family == IpFamily::kV4 ? 1460 : 1440);
  EXPECT_EQ(ReadFrom(client.get(), answer.size()), answer);
  EXPECT_TRUE(server.AwaitAcknowledged());
}

TEST_P(InboundTcpFlows, DeliversWhatTheClientSentBeforeTheServerAnswered) {
  Start();
  const UniqueFd client = Connect();
  const Bytes early = Pattern(1000);
  ASSERT_TRUE(WriteTo(client.get(), early));
  ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  EXPECT_TRUE(syn->payload.empty());
  EXPECT_TRUE(sandbox_->Drain().empty());
  FakeTcpClient server = ServerFor(*syn);
  ASSERT_TRUE(server.Accept(*syn));
  EXPECT_EQ(server.ReadExactly(early.size()), early);
  EXPECT_TRUE(server.AwaitFlag(kFin));
}

TEST_P(InboundTcpFlows, ResetsTheClientWhenNobodyListensInsideAndSaysSoOnce) {
  Start();
  for (int round = 0; round < 3; ++round) {
    const UniqueFd client = Connect();
    const auto syn = Syn();
    ASSERT_TRUE(syn);
    sandbox_->Send(MakeTcp(Answer(*syn, kRst | kAck)));
    EXPECT_EQ(ReadEnd(client.get()), -ECONNRESET);
  }
  ASSERT_EQ(notices_.sentences().size(), 1u);
  const std::string hint = notices_.sentences()[0];
  EXPECT_NE(hint.find(published_.ToString()), std::string::npos) << hint;
  EXPECT_NE(hint.find("no server listens at " + Server().ToString()), std::string::npos) << hint;
}

TEST_P(InboundTcpFlows, GivesNoSuchHintWhereAServerHasListened) {
  Start();
  const auto connection = Establish();
  ASSERT_TRUE(connection);
  const UniqueFd client = Connect();
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  sandbox_->Send(MakeTcp(Answer(*syn, kRst | kAck)));
  EXPECT_EQ(ReadEnd(client.get()), -ECONNRESET);
  EXPECT_TRUE(notices_.sentences().empty());
}

TEST_P(InboundTcpFlows, EndsEachDirectionByItself) {
  Start();
  auto connection = Establish();
  ASSERT_TRUE(connection);
  auto& [client, syn, server] = *connection;
  ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
  ASSERT_TRUE(server.AwaitFlag(kFin));
  const Bytes late = Pattern(5000);
  server.Write(late);
  EXPECT_EQ(ReadFrom(client.get(), late.size()), late);
  server.Finish();
  EXPECT_EQ(ReadEnd(client.get()), 0);
  EXPECT_TRUE(server.AwaitAcknowledged());
}

TEST_P(InboundTcpFlows, PassesResetsOnEitherWay) {
  Start();
  auto first = Establish();
  ASSERT_TRUE(first);
  first->server.Reset();
  EXPECT_EQ(ReadEnd(first->client.get()), -ECONNRESET);

  auto second = Establish();
  ASSERT_TRUE(second);
  ResetFromOutside(second->client);
  EXPECT_TRUE(second->server.AwaitFlag(kRst));
  EXPECT_TRUE(notices_.sentences().empty()) << notices_.sentences()[0];
}

TEST_P(InboundTcpFlows, ResetsTheClientWhenTheStackEndsBeforeTheServerHasFinished) {
  Start();
  auto connection = Establish();
  ASSERT_TRUE(connection);
  auto& [client, syn, server] = *connection;
  server.Write(Pattern(10));
  ASSERT_TRUE(server.AwaitAcknowledged());
  const UniqueFd waiting = Connect();
  ASSERT_TRUE(Syn());
  sandbox_.reset();
  EXPECT_EQ(ReadFrom(client.get(), 10), Pattern(10));
  EXPECT_EQ(ReadEnd(client.get()), -ECONNRESET);
  EXPECT_EQ(ReadEnd(waiting.get()), -ECONNRESET);
}

TEST_P(InboundTcpFlows, TakesBackItsSynWhenTheClientGoesAway) {
  Start();
  UniqueFd client = Connect();
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  ResetFromOutside(client);
  const auto reset = sandbox_->ReceiveFor(kInside);
  ASSERT_TRUE(reset);
  EXPECT_NE(reset->flags & kRst, 0) << int{reset->flags};
  EXPECT_EQ(reset->source_port, syn->source_port);
  EXPECT_TRUE(notices_.sentences().empty());
}

TEST_P(InboundTcpFlows, GivesEachClientAPortOfItsOwn) {
  Start();
  std::vector<UniqueFd> clients;
  std::set<uint16_t> ports;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect());
    const auto syn = Syn();
    ASSERT_TRUE(syn);
    ports.insert(syn->source_port);
    sandbox_->Send(MakeTcp(Answer(*syn, kRst | kAck)));
    EXPECT_EQ(ReadEnd(clients.back().get()), -ECONNRESET);
  }
  EXPECT_EQ(ports.size(), 20u);
}

TEST_P(InboundTcpFlows, ReadsNoMoreThanTheServerTakes) {
  Start();
  const UniqueFd client = Connect();
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  FakeTcpClient server = ServerFor(*syn);
  server.set_window(0);
  ASSERT_TRUE(server.Accept(*syn));
  server.SendAck();
  fcntl(client.get(), F_SETFL, O_NONBLOCK);
  const Bytes data = Pattern(size_t{64} << 20);
  size_t taken = 0;
  // Until neither the socket buffers nor the stack take any more.
  for (int idle = 0; idle < 5 && taken < data.size();) {
    const ssize_t sent = send(client.get(), data.data() + taken, data.size() - taken, MSG_NOSIGNAL);
    if (sent > 0) {
      taken += static_cast<size_t>(sent);
      idle = 0;
    } else {
      pollfd writable{client.get(), POLLOUT, 0};
      if (poll(&writable, 1, 100) == 0) ++idle;
    }
  }
  ASSERT_LT(taken, data.size()) << "a server that reads nothing must stop its client";
  ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
  server.set_window(0xffff);
  server.SendAck();
  EXPECT_EQ(server.ReadExactly(taken),
            Bytes(data.begin(), data.begin() + static_cast<ptrdiff_t>(taken)));
}

TEST_P(InboundTcpFlows, StopsTheServerWhenTheClientReadsNothing) {
  Start();
  auto connection = Establish();
  ASSERT_TRUE(connection);
  auto& [client, syn, server] = *connection;
  const uint16_t segment = GetParam().family == IpFamily::kV4 ? 1460 : 1440;
  const Bytes piece = Pattern(40000);
  size_t written = 0;
  while (written < size_t{64} << 20) {
    if (server.peer_window() < piece.size()) break;
    server.WriteOffloaded(piece, segment);
    written += piece.size();
    if (!server.AwaitAcknowledged()) break;
  }
  ASSERT_LT(server.peer_window(), piece.size()) << "no back-pressure in " << written << " bytes";
  const Bytes got = ReadFrom(client.get(), written);
  ASSERT_EQ(got.size(), written);
  EXPECT_TRUE(
      std::equal(piece.begin(), piece.end(), got.end() - static_cast<ptrdiff_t>(piece.size())));
  EXPECT_TRUE(server.AwaitWindow(static_cast<uint32_t>(piece.size())));
}

TEST_P(InboundTcpFlows, LeavesConnectionsInTheBacklogWhileTheTableIsFull) {
  FakeSandboxOptions options;
  options.limits.max_flows = 2;
  Start(Protocol::kTcp, std::move(options));
  const UniqueFd first = Connect();
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  const UniqueFd second = Connect();
  ASSERT_TRUE(Syn());
  const UniqueFd third = Connect();  // the host's kernel takes it
  EXPECT_TRUE(sandbox_->Drain().empty());
  EXPECT_FALSE(Syn(kSoon));
  sandbox_->Send(MakeTcp(Answer(*syn, kRst | kAck)));
  EXPECT_TRUE(Syn());
}

TEST_P(InboundTcpFlows, CarriesAThousandConnectionsAtATime) {
  constexpr int kCount = 1000;
  Start();
  std::vector<UniqueFd> clients;
  std::vector<FakeTcpClient> servers;
  clients.reserve(kCount);
  for (int i = 0; i < kCount; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back());
    const auto syn = Syn();
    ASSERT_TRUE(syn) << i;
    servers.push_back(ServerFor(*syn));
    ASSERT_TRUE(servers.back().Accept(*syn)) << i;
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    const Bytes question = Pattern(64, static_cast<uint32_t>(i));
    ASSERT_TRUE(WriteTo(clients[i].get(), question));
    ASSERT_EQ(servers[i].ReadExactly(question.size()), question) << i;
    servers[i].Write(question);
    ASSERT_EQ(ReadFrom(clients[i].get(), question.size()), question) << i;
    ASSERT_TRUE(servers[i].AwaitAcknowledged()) << i;
  }
}

TEST_P(InboundTcpFlows, OpenNothingOutward) {
  Start();
  auto connection = Establish();
  ASSERT_TRUE(connection);
  auto& [client, syn, server] = *connection;
  const Endpoint gateway{syn.source, syn.source_port};
  struct {
    const char* what;
    Endpoint from, to;
    uint8_t flags;
  } const kAttempts[] = {
      {"a SYN from the published port to another port of the gateway",
       Server(),
       {gateway.address, static_cast<uint16_t>(gateway.port ^ 1)},
       kSyn},
      {"a SYN from another port to the client's", {Server().address, 9}, gateway, kSyn},
      {"a SYN to the host's loopback", Server(), published_, kSyn},
      {"an answer to no SYN", {Server().address, 9}, gateway, kSyn | kAck},
  };
  for (const auto& attempt : kAttempts) {
    sandbox_->Send(MakeTcp({.from = attempt.from,
                            .to = attempt.to,
                            .sequence = 77,
                            .acknowledgment = 99,
                            .flags = attempt.flags}));
    const auto answer = sandbox_->ReceiveFor(attempt.from.port);
    ASSERT_TRUE(answer) << attempt.what;
    EXPECT_NE(answer->flags & kRst, 0) << attempt.what;
    EXPECT_EQ(answer->flags & kSyn, 0) << attempt.what;
  }
  // The connection itself has taken no harm.
  server.Write(Pattern(10));
  EXPECT_EQ(ReadFrom(client.get(), 10), Pattern(10));
}

TEST_P(InboundTcpFlows, TakeNoAnswerFromTheSandboxTwice) {
  Start();
  auto connection = Establish();
  ASSERT_TRUE(connection);
  auto& [client, syn, server] = *connection;
  sandbox_->Send(MakeTcp(Answer(syn, kSyn | kAck)));
  EXPECT_TRUE(sandbox_->Drain().empty());
  server.Write(Pattern(10));
  EXPECT_EQ(ReadFrom(client.get(), 10), Pattern(10));
}

TEST_P(InboundTcpFlows, AreLoggedWithTheirClientAndWhatTheyCarried) {
  Start();
  UniqueFd client = Connect();
  const Endpoint local = LocalOf(client.get());
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  FakeTcpClient server = ServerFor(*syn);
  ASSERT_TRUE(server.Accept(*syn));
  ASSERT_TRUE(WriteTo(client.get(), Pattern(30)));
  EXPECT_EQ(server.ReadExactly(30), Pattern(30));
  server.Write(Pattern(7));
  EXPECT_EQ(ReadFrom(client.get(), 7), Pattern(7));
  ExpectLogged(local, "tcp", {{"bytes_in", 30}, {"bytes_out", 7}});
}

TEST_P(InboundTcpFlows, ThatTheSandboxRefusesAreLoggedAsSuch) {
  Start();
  const UniqueFd client = Connect();
  const auto syn = Syn();
  ASSERT_TRUE(syn);
  sandbox_->Send(MakeTcp(Answer(*syn, kRst | kAck)));
  EXPECT_EQ(ReadEnd(client.get()), -ECONNRESET);
  ExpectLogged(LocalOf(client.get()), "tcp",
               {{"end", "connect-failed"}, {"error", "ECONNREFUSED"}});
}

TEST_P(InboundDatagrams, AreLoggedWithTheirClientAndWhatTheyCarried) {
  Start(Protocol::kUdp);
  const UniqueFd client = Connect(SOCK_DGRAM);
  ASSERT_EQ(send(client.get(), "four", 4, 0), 4);
  const auto in = sandbox_->ReceiveFor(kInside);
  ASSERT_TRUE(in);
  sandbox_->Send(MakeUdp(Server(), {in->source, in->source_port}, Pattern(9)));
  EXPECT_EQ(ReadFrom(client.get(), 9), Pattern(9));
  ExpectLogged(LocalOf(client.get()), "udp",
               {{"bytes_in", 4}, {"bytes_out", 9}, {"end", "closed"}});
}

TEST_P(InboundDatagrams, CarriesAQuestionAndItsAnswer) {
  Start(Protocol::kUdp);
  const UniqueFd client = Connect(SOCK_DGRAM);
  const Bytes question = Pattern(1200, 1), answer = Pattern(1300, 2);
  ASSERT_EQ(send(client.get(), question.data(), question.size(), 0), 1200);
  const auto in = sandbox_->ReceiveFor(kInside);
  ASSERT_TRUE(in);
  EXPECT_TRUE(in->sound);
  EXPECT_EQ(in->protocol, 17);
  EXPECT_EQ(in->source.ToString(), GetParam().gateway);
  EXPECT_EQ(in->destination, Server().address);
  EXPECT_EQ(in->payload, question);
  sandbox_->Send(MakeUdp(Server(), {in->source, in->source_port}, answer));
  EXPECT_EQ(ReadFrom(client.get(), answer.size()), answer);
}

TEST_P(InboundDatagrams, TellsClientsApart) {
  Start(Protocol::kUdp);
  const UniqueFd first = Connect(SOCK_DGRAM), second = Connect(SOCK_DGRAM);
  std::vector<SeenFrame> seen;
  for (const int client : {first.get(), second.get(), first.get()}) {
    ASSERT_EQ(send(client, "x", 1, 0), 1);
    auto frame = sandbox_->ReceiveFor(kInside);
    ASSERT_TRUE(frame);
    seen.push_back(*frame);
  }
  EXPECT_NE(seen[0].source_port, seen[1].source_port);
  EXPECT_EQ(seen[0].source_port, seen[2].source_port);
  sandbox_->Send(MakeUdp(Server(), {seen[1].source, seen[1].source_port}, Bytes{2}));
  sandbox_->Send(MakeUdp(Server(), {seen[0].source, seen[0].source_port}, Bytes{1}));
  EXPECT_EQ(ReadFrom(first.get(), 1), Bytes{1});
  EXPECT_EQ(ReadFrom(second.get(), 1), Bytes{2});
}

TEST_P(InboundDatagrams, OpenNothingOutward) {
  Start(Protocol::kUdp);
  const UniqueFd client = Connect(SOCK_DGRAM);
  ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
  const auto in = sandbox_->ReceiveFor(kInside);
  ASSERT_TRUE(in);
  const auto other = static_cast<uint16_t>(in->source_port ^ 1);
  const Endpoint elsewhere{Server().address, 9};
  for (const auto& [from, to] : {std::pair{Server(), Endpoint{in->source, other}},
                                 std::pair{elsewhere, Endpoint{in->source, in->source_port}},
                                 std::pair{Server(), published_}}) {
    sandbox_->Send(MakeUdp(from, to, Bytes{1}));
    const auto refusal = sandbox_->Receive();
    ASSERT_TRUE(refusal) << to.ToString();
    EXPECT_TRUE(refusal->protocol == 1 || refusal->protocol == 58) << to.ToString();
  }
  pollfd readable{client.get(), POLLIN, 0};
  EXPECT_EQ(poll(&readable, 1, 0), 0);
}

TEST_P(InboundDatagrams, DropsTheDatagramsOfNewClientsAboveTheCap) {
  FakeSandboxOptions options;
  options.limits.max_flows = 4;  // of datagrams: a quarter
  Start(Protocol::kUdp, std::move(options));
  const UniqueFd first = Connect(SOCK_DGRAM), second = Connect(SOCK_DGRAM);
  ASSERT_EQ(send(first.get(), "1", 1, 0), 1);
  ASSERT_TRUE(sandbox_->ReceiveFor(kInside));
  ASSERT_EQ(send(second.get(), "2", 1, 0), 1);
  ASSERT_EQ(send(first.get(), "3", 1, 0), 1);
  const auto frame = sandbox_->ReceiveFor(kInside);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->payload, Bytes{'3'});
  sandbox_->Stop();
  EXPECT_EQ(sandbox_->Summary(),
            std::vector{StrCat("refused udp ", LocalOf(second.get()).ToString(),
                               " to the published port ", published_.ToString(), ":", kInside,
                               ": too many connections at once; to allow more: "
                               "--max-connections 8")});
  const auto verdicts = log_.Events("verdict");
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[1]["verdict"], "refused");
  EXPECT_EQ(verdicts[1]["direction"], "in");
}

}  // namespace
}  // namespace mini::netstack
