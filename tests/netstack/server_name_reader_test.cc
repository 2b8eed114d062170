#include "netstack/names/server_name_reader.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "made_hello.h"

namespace mini::netstack {
namespace {

// Everything that is found in a stream, as text: "asks [a b]" for each hello or head, with "open
// N" for bytes that may pass when it ends, and how the reading ended.
std::string Found(const HelloBytes& stream, size_t piece_size) {
  ServerNameReader reader;
  std::string found;
  size_t seen = 0;
  for (size_t at = 0; at < stream.size(); at += piece_size) {
    std::span<const uint8_t> piece(stream);
    piece = piece.subspan(at, std::min(piece_size, stream.size() - at));
    while (!piece.empty()) {
      const size_t before = piece.size();
      const Reading reading = reader.Read(piece);
      seen += before - piece.size();
      if (reading == Reading::kMalformed) return found + "malformed";
      if (reading == Reading::kOther) return found + "other";
      if (reading != Reading::kAsked) continue;
      found += StrCat("at ", seen, " asks [");
      for (const AskedName& asked : reader.asked()) {
        if (!found.ends_with('[')) found += ' ';
        found += asked.host;
        if (asked.port) found += StrCat(":", *asked.port);
      }
      found += "] ";
    }
  }
  return found + StrCat("more, ", reader.undecided(), " held");
}

// The same, however the stream is cut.
std::string Found(const HelloBytes& stream) {
  const std::string whole = Found(stream, std::max<size_t>(stream.size(), 1));
  for (const size_t size : {1, 2, 3, 5, 7, 64, 1000}) {
    EXPECT_EQ(Found(stream, size), whole) << "in pieces of " << size;
  }
  return whole;
}

std::string Found(std::string_view text) { return Found(BytesOf(text)); }

std::string AsksAtEnd(const HelloBytes& stream, std::string_view names) {
  return StrCat("at ", stream.size(), " asks [", names, "] more, 0 held");
}

std::string AsksAtEnd(std::string_view stream, std::string_view names) {
  return AsksAtEnd(BytesOf(stream), names);
}

TEST(ClientHello, ShowsItsServerName) {
  const HelloBytes hello = HelloFor("www.example.com");
  EXPECT_EQ(Found(hello), AsksAtEnd(hello, "www.example.com"));
}

TEST(ClientHello, IsReadFromRecordsOfAnySize) {
  for (const size_t record : {1, 2, 3, 4, 5, 31, 100}) {
    const HelloBytes hello = HelloFor("split.example", record);
    EXPECT_EQ(Found(hello), AsksAtEnd(hello, "split.example")) << record;
  }
}

TEST(ClientHello, EndsTheReadingWhateverFollows) {
  const HelloBytes hello = HelloFor("a.example");
  const HelloBytes early_data = {23, 3, 3, 0, 2, 1, 2};
  EXPECT_EQ(Found(Joined({hello, early_data})),
            StrCat("at ", hello.size(), " asks [a.example] other"));
  EXPECT_EQ(Found(Joined({hello, HelloFor("b.example")})),
            StrCat("at ", hello.size(), " asks [a.example] other"));
}

TEST(ClientHello, MayNameNoServer) {
  for (const HelloBytes& hello :
       {HelloWith({}), HelloWithoutExtensions(), HelloWith(Extension(0, {})),
        HelloWith(Extension(0, Vector(2, {}))), HelloFor("")}) {
    EXPECT_EQ(Found(hello), AsksAtEnd(hello, ""));
  }
}

TEST(ClientHello, WithSeveralNamesIsMalformed) {
  const HelloBytes two = Joined({HostNameEntry("a.example"), HostNameEntry("b.example")});
  EXPECT_EQ(Found(HelloWith(Extension(0, Vector(2, two)))), "malformed");
  EXPECT_EQ(Found(HelloWith(
                Joined({ServerNameExtension("a.example"), ServerNameExtension("b.example")}))),
            "malformed");
  const HelloBytes odd_type = Joined({HostNameEntry("b", 9), HostNameEntry("a.example")});
  EXPECT_EQ(Found(HelloWith(Extension(0, Vector(2, odd_type)))), "malformed");
}

TEST(ClientHello, WithALengthThatDoesNotFitIsMalformed) {
  // Every byte of the lengths: session id, ciphers, compression, extensions, and in the extension.
  const HelloBytes good = HelloFor("a.example");
  const size_t session_id = 5 + 4 + 2 + 32;
  const size_t ciphers = session_id + 1 + 32;
  const size_t compression = ciphers + 2 + 6;
  const size_t extensions = compression + 2;
  for (const size_t at :
       {session_id, ciphers, ciphers + 1, compression, extensions, extensions + 1}) {
    for (const int change : {-1, 1}) {
      HelloBytes bad = good;
      bad[at] = static_cast<uint8_t>(bad[at] + change);
      EXPECT_EQ(Found(bad), "malformed") << at << " " << change;
    }
  }
  for (const int change : {-1, 1}) {  // the list, and the name in it
    HelloBytes list = Vector(2, HostNameEntry("a.example"));
    list[1] = static_cast<uint8_t>(list[1] + change);
    EXPECT_EQ(Found(HelloWith(Extension(0, list))), "malformed");
    HelloBytes entry = HostNameEntry("a.example");
    entry[2] = static_cast<uint8_t>(entry[2] + change);
    EXPECT_EQ(Found(HelloWith(Extension(0, Vector(2, entry)))), "malformed");
  }
}

TEST(ClientHello, IsWhatAHandshakeBeginsWith) {
  HelloBytes finished = HelloFor("a.example");
  finished[5] = 20;
  EXPECT_EQ(Found(finished), "malformed");
  HelloBytes alert_between = HelloFor("a.example", 40);
  alert_between[45] = 21;
  EXPECT_EQ(Found(alert_between), "malformed");
  EXPECT_EQ(Found(HelloBytes{22, 3, 1, 0, 0}), "malformed") << "an empty record";
  EXPECT_EQ(Found(HelloBytes{22, 3, 1, 0x40, 1}), "malformed") << "a record that is too long";
  EXPECT_EQ(Found(HelloBytes{22, 3, 1, 0, 4, 1, 2, 0, 0}), "malformed") << "128 KB announced";
}

TEST(ClientHello, IsMalformedBehindRecordsThatServersSkip) {
  const HelloBytes hello = HelloFor("b.example");
  for (const HelloBytes& before :
       {HelloBytes{20, 3, 3, 0, 0}, HelloBytes{20, 3, 3, 0, 1, 1},
        HelloBytes{21, 3, 1, 0, 2, 1, 90}, HelloBytes{21, 2, 0, 0, 2, 1, 90},
        HelloBytes{23, 3, 3, 0, 0}, HelloBytes{24, 3, 3, 0, 0}, HelloBytes{22, 3, 3, 0, 0}}) {
    EXPECT_EQ(Found(Joined({before, hello})), "malformed") << int{before[0]};
  }
}

TEST(ClientHello, IsMalformedInARecordOfAnOddVersion) {
  for (const int version : {0, 2, 4, 15}) {
    HelloBytes hello = HelloFor("b.example");
    hello[1] = static_cast<uint8_t>(version);
    EXPECT_EQ(Found(hello), "malformed") << version;
    const std::string head = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    EXPECT_EQ(Found(Joined({BytesOf(head), hello})),
              StrCat("at ", head.size(), " asks [a.example] malformed"));
  }
}

TEST(ClientHello, IsHeldWhileItIsNotWhole) {
  HelloBytes hello = HelloFor("a.example");
  hello.pop_back();
  EXPECT_EQ(Found(hello), StrCat("more, ", hello.size(), " held"));
  EXPECT_EQ(Found(HelloBytes{22}), "more, 1 held");
}

TEST(ClientHello, IsReadUpToALimitAndNoFurther) {
  HelloBytes extensions;
  for (int i = 0; i < 3; ++i) {
    extensions = Joined({extensions, Extension(21, HelloBytes(16000))});
  }
  const HelloBytes large = HelloWith(Joined({extensions, ServerNameExtension("a.example")}));
  EXPECT_EQ(Found(large), AsksAtEnd(large, "a.example"));
  // A byte in each record: six in the stream.
  HelloBytes slow = InRecords(HelloMessage(&extensions), 1);
  slow.resize(70'000);
  EXPECT_EQ(Found(slow), "malformed");
}

TEST(ServerNames, AreNotLookedForInOtherProtocols) {
  for (const std::string_view text :
       {"SSH-2.0-OpenSSH_9.2\r\n", "EHLO client.example\r\n", "NICK somebody\r\nUSER x\r\n",
        "*1\r\n$4\r\nPING\r\n", "INVITE sip:bob@b.example SIP/2.0\r\n", "\x80\x2e\x01\x03\x01",
        "@RSYNCD: 31.0\n", "get key\r\n", "service/1 device/2\r\n", "QUIT\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET is no word\r\n", "PUT key\r\n", "(binary)",
        "hello"}) {
    const std::string found = Found(text);
    if (text == "hello") {
      EXPECT_EQ(found, "more, 5 held") << "it may still become a method";
    } else {
      EXPECT_EQ(found, "other") << text;
    }
  }
  EXPECT_EQ(Found(HelloBytes{0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f}), "other") << "PostgreSQL";
  EXPECT_EQ(Found(std::string_view("0033git-upload-pack /project\0host=b.example\0", 44)), "other");
  EXPECT_EQ(Found(std::string(100, 'A') + "\n"), "other");
  EXPECT_EQ(Found(std::string_view("\x05\x01\x00", 3)), "other") << "SOCKS";
  EXPECT_EQ(Found("\x30\x0c\x02\x01\x01"), "other") << "LDAP, where a form feed is a length";
  EXPECT_EQ(Found("\xd0\xbf\xd1\x80\n"), "other");
}

TEST(HttpRequests, ShowTheirHost) {
  for (const std::string_view head :
       {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET / HTTP/1.0\r\nHost:a.example\r\n\r\n",
        "\r\n\r\nHEAD /x HTTP/1.1\r\nAccept: */*\r\nhOsT:\t a.example \t\r\nX: y\r\n\r\n",
        "GET /\xc3\xa9 HTTP/1.1\nHost: a.example:8080\n\n",
        "OPTIONS * HTTP/1.1\r\nHost: a.example:\r\n\r\n"}) {
    EXPECT_EQ(Found(head), AsksAtEnd(head, "a.example")) << head;
  }
  const std::string_view v6 = "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n";
  EXPECT_EQ(Found(v6), AsksAtEnd(v6, "2001:db8::1"));
}

TEST(HttpRequests, MayNameNoServer) {
  for (const std::string_view head : {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: :80\r\nX-Host: b.example\r\n\r\n"}) {
    EXPECT_EQ(Found(head), AsksAtEnd(head, "")) << head;
  }
}

TEST(HttpRequests, AskForTheServerInTheirTargetAsWell) {
  const std::string_view absolute =
      "GET http://b.example:81/x?http://c.example HTTP/1.1\r\nHost: a.example\r\n\r\n";
  EXPECT_EQ(Found(absolute), AsksAtEnd(absolute, "b.example a.example"));
  const std::string_view without_path = "GET http://b.example?x HTTP/1.0\r\n\r\n";
  EXPECT_EQ(Found(without_path), AsksAtEnd(without_path, "b.example"));
}

TEST(HttpRequests, AskForTheServerOfATunnelAndWhatIsMeantInIt) {
  const std::string head = "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n";
  const HelloBytes hello = HelloFor("c.example");
  EXPECT_EQ(Found(Joined({BytesOf(head), hello})),
            StrCat("at ", head.size(), " asks [b.example:443 b.example:443] at ",
                   head.size() + hello.size(), " asks [c.example:443] more, 0 held"));
  EXPECT_EQ(Found("CONNECT b.example HTTP/1.1\r\n\r\n"), "malformed") << "a port is needed";
}

TEST(HttpRequests, ThatAServerShouldNotTakeAreMalformed) {
  for (const std::string_view head :
       {"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\n b.example\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\n: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\rHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: b.example:http\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [b.example]\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET\t/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.11\r\n\r\n",
        "GET b.example HTTP/1.1\r\n\r\n",
        "GET http://user@b.example/ HTTP/1.1\r\n\r\n",
        "GET http:/// HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\rHost: b.example\r\n\r\n",
        "GET /x\r\n",
        "GET /x y\r\n"}) {
    EXPECT_EQ(Found(head), "malformed") << head;
  }
  constexpr char kZero[] = "POST /\0 HTTP/1.1\r\nHost: b.example\r\n\r\n";
  EXPECT_EQ(Found(std::string_view(kZero, sizeof kZero - 1)), "malformed");
  const std::string long_host =
      StrCat("GET / HTTP/1.1\r\nHost: ", std::string(256, 'a'), "\r\n\r\n");
  EXPECT_EQ(Found(long_host), "malformed");
}

// A second line makes what is taken for no request, or for another one, reach the server.
TEST(HttpRequests, ThatOnlySomeServersTakeForOneAreMalformed) {
  for (const std::string_view line : {" GET / HTTP/1.1",
                                      "\tGET / HTTP/1.1",
                                      "\x0bGET / HTTP/1.1",
                                      "\x1cGET / HTTP/1.1",
                                      "\x85GET / HTTP/1.1",
                                      "\xc2\xa0GET / HTTP/1.1",
                                      "\xef\xbb\xbfGET / HTTP/1.1",
                                      "\r GET / HTTP/1.1",
                                      "GET\x0b/ HTTP/1.1",
                                      "GET\x0c/\x0cHTTP/1.1",
                                      "GET\x85/\x85HTTP/1.1",
                                      "GET\r/\rHTTP/1.1",
                                      "GET\xe3\x80\x80x HTTP/1.1",
                                      "GET x\x0bHTTP/1.1",
                                      "GET http://b.example/",
                                      "get http://b.example",
                                      "X http://b.example/",
                                      "PURGE /x",
                                      "0 /x",
                                      "OPTIONS /secret RTSP/1.0",
                                      "OPTIONS * rtsp/1.0",
                                      "DESCRIBE rtsp://b.example/ RTSP/1.0",
                                      "SOURCE /secret ICE/1.0",
                                      "SOURCE x ICE/1.0",
                                      "get some/http/1 key",
                                      "GET x",
                                      "GET x\t",
                                      "OPTIONS *",
                                      "SOURCE *x",
                                      "CONNECT b.example:80"}) {
    EXPECT_EQ(Found(StrCat(line, "\r\nHost: b.example\r\n\r\n")), "malformed") << line;
    const std::string head = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    EXPECT_EQ(Found(StrCat(head, line, "\r\nHost: b.example\r\n\r\n")),
              StrCat("at ", head.size(), " asks [a.example] malformed"))
        << line;
  }
  const std::string long_method = StrCat(std::string(100, 'A'), " / HTTP/1.1\r\n");
  EXPECT_EQ(Found(StrCat(long_method, "Host: b.example\r\n\r\n")),
            AsksAtEnd(StrCat(long_method, "Host: b.example\r\n\r\n"), "b.example"));
  EXPECT_EQ(Found(std::string(70'000, 'A')), "malformed");
}

TEST(HttpRequests, WithAControlCharacterInTheirLineAreMalformed) {
  for (const std::string_view line : {"GET /\x01 HTTP/1.1", "OPTIONS *\x01 HTTP/1.1",
                                      "GET x\x7f HTTP/1.1", " M-SEARCH *\x02 HTTP/1.1"}) {
    EXPECT_EQ(Found(StrCat(line, "\r\nHost: b.example\r\n\r\n")), "malformed") << line;
  }
}

TEST(HttpRequests, MayFollowBlankLines) {
  const std::string_view head = "\r\n \t\r\n\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
  EXPECT_EQ(Found(head), AsksAtEnd(head, "a.example"));
}

TEST(HttpRequests, ForATunnelHaveNoBody) {
  for (const std::string_view field : {"Content-Length: 500", "Transfer-Encoding: chunked"}) {
    EXPECT_EQ(Found(StrCat("CONNECT a.example:443 HTTP/1.1\r\n", field, "\r\n\r\n")), "malformed");
  }
  const std::string_view none = "CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(Found(none), AsksAtEnd(none, "a.example:443"));
}

TEST(HttpRequests, BehindATunnelThatMayHaveBeenRefusedAskAtBothPorts) {
  const std::string tunnel = "CONNECT b.example:443 HTTP/1.1\r\n\r\n";
  const std::string inner = "GET http://c.example/ HTTP/1.1\r\nHost: d.example\r\n\r\n";
  EXPECT_EQ(Found(tunnel + inner),
            StrCat("at ", tunnel.size(), " asks [b.example:443] at ", tunnel.size() + inner.size(),
                   " asks [c.example:443 c.example d.example:443 d.example] more, 0 held"));
}

TEST(HttpRequests, SayWhetherAnotherProtocolMayFollow) {
  const auto may_switch = [](std::string_view head) {
    ServerNameReader reader;
    const HelloBytes stream = BytesOf(head);
    std::span<const uint8_t> bytes(stream);
    while (!bytes.empty()) EXPECT_EQ(reader.Read(bytes), Reading::kAsked) << head;
    return reader.may_switch();
  };
  const std::string upgrade = "GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n";
  EXPECT_TRUE(may_switch(upgrade));
  EXPECT_TRUE(may_switch("CONNECT a.example:22 HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(may_switch("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
  EXPECT_FALSE(may_switch("GET / HTTP/1.1\r\nUpgrade:\r\n\r\n"));
  EXPECT_FALSE(may_switch("GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n"));
  EXPECT_FALSE(may_switch(upgrade + "GET / HTTP/1.1\r\n\r\n")) << "only the last one counts";
}

TEST(HttpRequests, AreReadUpToALimitAndNoFurther) {
  const std::string large =
      StrCat("GET /", std::string(60'000, 'x'), " HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_EQ(Found(large), AsksAtEnd(large, "a.example"));
  const std::string too_large =
      StrCat("GET / HTTP/1.1\r\nX: ", std::string(70'000, 'x'), "\r\nHost: b.example\r\n\r\n");
  EXPECT_EQ(Found(too_large), "malformed");
}

// The second request of a connection, behind what the first one brings along.
std::string SecondAfter(std::string_view first) {
  const std::string second = "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n";
  const std::string found = Found(StrCat(first, second));
  const std::string end = StrCat("at ", first.size() + second.size(), " asks [b.example] ");
  return found.find(end) != std::string::npos ? "seen" : found;
}

TEST(HttpRequests, AreAllReadHoweverTheirBodiesEnd) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a.example\r\n";
  EXPECT_EQ(SecondAfter(head + "\r\n"), "seen");
  EXPECT_EQ(SecondAfter(head + "Content-Length: 0\r\n\r\n"), "seen");
  EXPECT_EQ(SecondAfter(head + "Content-Length: 5\r\n\r\nhello"), "seen");
  EXPECT_EQ(SecondAfter(head + "Content-Length: 7\r\n\r\nhello\r\n"), "seen");
  EXPECT_EQ(SecondAfter(head + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"), "seen");
  EXPECT_EQ(SecondAfter(head + "Transfer-Encoding: chunked\r\n\r\n" +
                        "5;why=not\r\nhello\r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"),
            "seen");
}

TEST(HttpRequests, BodiesAreNotHeld) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n";
  EXPECT_EQ(Found(head + std::string(200'000, 'x')),
            StrCat("at ", head.size(), " asks [a.example] more, 0 held"));
}

TEST(HttpRequests, ABodyMayLookLikeARequestWithoutBeingOne) {
  const std::string inner = "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n";
  const std::string head =
      StrCat("POST / HTTP/1.1\r\nContent-Length: ", inner.size(), "\r\nHost: a.example\r\n\r\n");
  EXPECT_EQ(Found(head + inner), StrCat("at ", head.size(), " asks [a.example] more, 0 held"));
}

TEST(HttpRequests, LengthsThatServersReadInSeveralWaysAreMalformed) {
  for (const std::string_view fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n", "Content-Length: 5x\r\n", "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: \x0b"
        "chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    EXPECT_EQ(Found(StrCat("POST / HTTP/1.1\r\n", fields, "\r\n")), "malformed") << fields;
  }
  EXPECT_EQ(Found("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "malformed");
  for (const std::string_view body :
       {"5\nhello", "5\r\nhellox", "x\r\n", "\r\n", "-1\r\n", "0x5\r\n", "5 5\r\n",
        "1000000000000000\r\n", "0\r\nnot a field\r\n", "0\r\nX: y\n\r\n", "5;\x01\r\n"}) {
    const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(Found(head + std::string(body)), StrCat("at ", head.size(), " asks [] malformed"))
        << body;
  }
}

TEST(HttpRequests, MayTurnIntoAnotherProtocol) {
  const std::string upgrade =
      "GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  EXPECT_EQ(Found(upgrade + "\x81\x05hello"),
            StrCat("at ", upgrade.size(), " asks [a.example] other"));
  EXPECT_EQ(Found(upgrade + "\x82\x85\x90GET"),
            StrCat("at ", upgrade.size(), " asks [a.example] other"))
      << "a frame may have no end of line";
  EXPECT_EQ(SecondAfter(upgrade), "seen") << "a server may not follow";
}

TEST(ServerNames, AClientThatFinishesWithinAHelloIsMalformed) {
  const auto finished_after = [](const HelloBytes& stream) {
    ServerNameReader reader;
    std::span<const uint8_t> bytes(stream);
    EXPECT_EQ(reader.Read(bytes), Reading::kMore);
    return reader.Finish();
  };
  EXPECT_EQ(finished_after({22, 3, 1}), Reading::kMalformed);
  EXPECT_EQ(finished_after(BytesOf("GET / HTTP/1.1\r\nHost: b.example")), Reading::kMalformed);
  for (const std::string_view line :
       {"GET / HTTP/1.1", "GET /", " GET / HTTP/1.1", "PURGE x HTTP/1",
        "GET http://b.example/ HTTP/1.1", "GET http://b.example"}) {
    EXPECT_EQ(finished_after(BytesOf(line)), Reading::kMalformed) << line;
  }
  EXPECT_EQ(finished_after(BytesOf("\r\n")), Reading::kMore);
  EXPECT_EQ(finished_after(BytesOf("hello")), Reading::kOther);
  EXPECT_EQ(finished_after(BytesOf("hello you")), Reading::kOther);
}

}  // namespace
}  // namespace mini::netstack
