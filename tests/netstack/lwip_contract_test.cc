// What netstack/flow/lwip_scope.h rests on: that lwIP finds connections in tcp_active_pcbs and
// tcp_tw_pcbs, and nowhere else. A new lwIP that keeps them elsewhere fails here, not in the field.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "netstack/flow/lwip_scope.h"

namespace mini::netstack {
namespace {

struct Sent {
  uint8_t flags;
  uint32_t sequence, acknowledgment;
};
std::vector<Sent> sent;

uint32_t Get32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

err_t Output(netif*, pbuf* packet, const ip4_addr_t*) {
  const auto* tcp = static_cast<const uint8_t*>(packet->payload) + 20;
  sent.push_back({tcp[13], Get32(tcp + 4), Get32(tcp + 8)});
  return ERR_OK;
}

class LwipContract : public testing::Test {
 protected:
  void SetUp() override {
    static const bool once = [] {
      lwip_init();
      return true;
    }();
    (void)once;
    sent.clear();
    ip4_addr_t any, address;
    ip4_addr_set_zero(&any);
    IP4_ADDR(&address, 192, 0, 2, 1);
    netif_add(
        &device_, &address, &any, &any, nullptr,
        [](netif* device) -> err_t {
          device->output = Output;
          device->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
          return ERR_OK;
        },
        [](pbuf*, netif*) -> err_t { return ERR_OK; });
    netif_set_default(&device_);
    tcp_pcb* listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
    ASSERT_EQ(tcp_bind(listener, IP_ANY_TYPE, 1), ERR_OK);
    listener_ = reinterpret_cast<tcp_pcb_listen*>(tcp_listen(listener));
    ASSERT_NE(listener_, nullptr);
    tcp_accept(reinterpret_cast<tcp_pcb*>(listener_), [](void* arg, tcp_pcb* pcb, err_t) -> err_t {
      *static_cast<tcp_pcb**>(arg) = pcb;
      return ERR_OK;
    });
  }
  void TearDown() override {
    for (LwipLists* lists : {&first_, &second_}) {
      LwipScope scope(*lists);
      while (tcp_active_pcbs != nullptr) tcp_abandon(tcp_active_pcbs, 0);
      while (tcp_tw_pcbs != nullptr) tcp_abandon(tcp_tw_pcbs, 0);
    }
    tcp_close(reinterpret_cast<tcp_pcb*>(listener_));
    netif_remove(&device_);
  }

  // A segment of the connection (198.18.0.1:from -> 203.0.113.5:80), as tcp_input() gets it.
  void Input(LwipLists& lists, uint16_t from, uint8_t flags, uint32_t sequence,
             uint32_t acknowledgment, bool listen = false, uint16_t window = 0xffff) {
    std::array<uint8_t, 20> tcp{};
    auto put = [&](size_t at, uint32_t value, int bytes) {
      for (int i = bytes - 1; i >= 0; --i, value >>= 8) {
        tcp[at + static_cast<size_t>(i)] = static_cast<uint8_t>(value);
      }
    };
    put(0, from, 2);
    put(2, 80, 2);
    put(4, sequence, 4);
    put(8, acknowledgment, 4);
    put(12, 0x50, 1);
    put(13, flags, 1);
    put(14, window, 2);
    pbuf* p = pbuf_alloc(PBUF_RAW, tcp.size(), PBUF_RAM);
    std::memcpy(p->payload, tcp.data(), tcp.size());
    IP_ADDR4(&ip_data.current_iphdr_src, 198, 18, 0, 1);
    IP_ADDR4(&ip_data.current_iphdr_dest, 203, 0, 113, 5);
    ip_data.current_netif = ip_data.current_input_netif = &device_;
    LwipScope scope(lists);
    listener_->local_port = listen ? 80 : 0;
    tcp_input(p, &device_);
    listener_->local_port = 0;
  }
  tcp_pcb* Establish(LwipLists& lists, uint16_t from) {
    tcp_pcb* accepted = nullptr;
    listener_->callback_arg = &accepted;
    Input(lists, from, 0x02, 100, 0, true);
    Input(lists, from, 0x10, 101, sent.back().sequence + 1);
    return accepted;
  }

  netif device_{};
  tcp_pcb_listen* listener_ = nullptr;
  LwipLists first_, second_;
};

TEST_F(LwipContract, TheListenerTakesAnyAddressAndOnlyWhileItHasThePort) {
  Input(first_, 5000, 0x02, 100, 0, false);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].flags, 0x14);  // RST, ACK
  EXPECT_TRUE(first_.empty());
  Input(first_, 5000, 0x02, 100, 0, true);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].flags, 0x12);  // SYN, ACK
  EXPECT_NE(first_.active, nullptr);
  EXPECT_EQ(first_.active->next, nullptr);
}

TEST_F(LwipContract, ANewConnectionHasTheListenersArgumentFromTheSynOn) {
  tcp_pcb* accepted = nullptr;
  listener_->callback_arg = &accepted;
  Input(first_, 5000, 0x02, 100, 0, true);
  ASSERT_NE(first_.active, nullptr);
  EXPECT_EQ(first_.active->callback_arg, &accepted);
}

TEST_F(LwipContract, AnActiveOpenStandsInTheActiveListAlone) {
  {
    LwipScope scope(first_);
    tcp_pcb* pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    ip_addr_t gateway, server;
    IP_ADDR4(&gateway, 198, 18, 0, 2);
    IP_ADDR4(&server, 198, 18, 0, 1);
    ASSERT_EQ(tcp_bind(pcb, &gateway, 5000), ERR_OK);
    ASSERT_EQ(tcp_connect(pcb, &server, 80, nullptr), ERR_OK);
    EXPECT_EQ(tcp_bound_pcbs, nullptr);
    EXPECT_EQ(pcb->state, SYN_SENT);
  }
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].flags, 0x02);  // SYN
  ASSERT_NE(first_.active, nullptr);
  EXPECT_EQ(first_.active->next, nullptr);
  EXPECT_EQ(first_.time_wait, nullptr);
}

TEST_F(LwipContract, AConnectionIsFoundInItsOwnListsOnly) {
  ASSERT_NE(Establish(first_, 5000), nullptr);
  const uint32_t next = sent.back().sequence + 1;
  sent.clear();
  // The same segment with other lists in place: no such connection.
  Input(second_, 5000, 0x10, 101, next);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].flags, 0x14);
  EXPECT_TRUE(second_.empty());
  // In its own lists the connection is untouched by that.
  EXPECT_EQ(first_.active->state, ESTABLISHED);
}

TEST_F(LwipContract, AResetTakesTheConnectionOffItsList) {
  ASSERT_NE(Establish(first_, 5000), nullptr);
  ASSERT_NE(Establish(second_, 5001), nullptr);
  Input(first_, 5000, 0x14, 101, 0);
  EXPECT_TRUE(first_.empty());
  EXPECT_NE(second_.active, nullptr);
}

TEST_F(LwipContract, TheCloserMovesToTheTimeWaitListAndKeepsItsArgument) {
  tcp_pcb* pcb = Establish(first_, 5000);
  ASSERT_NE(pcb, nullptr);
  {
    LwipScope scope(first_);
    ASSERT_EQ(tcp_shutdown(pcb, 0, 1), ERR_OK);
  }
  ASSERT_EQ(sent.back().flags & 0x01, 0x01);
  Input(first_, 5000, 0x11, 101, sent.back().sequence + 1);
  EXPECT_EQ(first_.active, nullptr);
  ASSERT_EQ(first_.time_wait, pcb);
  EXPECT_EQ(pcb->state, TIME_WAIT);
}

TEST_F(LwipContract, TheTimerWalksExactlyTheTwoLists) {
  ASSERT_NE(Establish(first_, 5000), nullptr);
  tcp_pcb* closer = Establish(second_, 5001);
  {
    LwipScope scope(second_);
    tcp_shutdown(closer, 0, 1);
  }
  Input(second_, 5001, 0x11, 101, sent.back().sequence + 1);
  ASSERT_EQ(second_.time_wait, closer);
  // Time passes for the second pair only: TIME-WAIT ends after two MSL, the other connection has
  // not been looked at.
  const u8_t untouched = first_.active->last_timer;
  for (int i = 0; i < 20 && !second_.empty(); ++i) {
    LwipScope scope(second_);
    tcp_tmr();
  }
  EXPECT_TRUE(second_.empty());
  EXPECT_EQ(first_.active->last_timer, untouched);
  EXPECT_EQ(first_.active->state, ESTABLISHED);
}

// A program that is stopped, or a pipe that is full, keeps its window closed for hours: its kernel
// answers every probe, and that is enough.
TEST_F(LwipContract, AClosedWindowIsWaitedForAsLongAsProbesAreAnswered) {
  tcp_pcb* pcb = Establish(first_, 5000);
  ASSERT_NE(pcb, nullptr);
  const uint32_t next = sent.back().acknowledgment;
  const auto write = [&](const char* text) {
    LwipScope scope(first_);
    ASSERT_EQ(tcp_write(pcb, text, static_cast<u16_t>(std::strlen(text)), TCP_WRITE_FLAG_COPY),
              ERR_OK);
    tcp_output(pcb);
  };
  // Windows close with the acknowledgment of what filled them.
  write("the last that fits");
  const uint32_t unacknowledged = pcb->snd_nxt;
  Input(first_, 5000, 0x10, next, unacknowledged, false, 0);
  write("waiting");
  const auto run_for = [&](int ticks, bool answer) {
    size_t probes = 0;
    for (int i = 0; i < ticks && first_.active != nullptr; ++i) {
      sent.clear();
      {
        LwipScope scope(first_);
        tcp_tmr();
      }
      probes += sent.size();
      if (!sent.empty() && answer) Input(first_, 5000, 0x10, next, unacknowledged, false, 0);
    }
    return probes;
  };
  constexpr int kTicksAnHour = 3600 * 1000 / TCP_TMR_INTERVAL;
  EXPECT_GT(run_for(6 * kTicksAnHour, true), 300u);
  ASSERT_EQ(first_.active, pcb);
  EXPECT_EQ(pcb->state, ESTABLISHED);
  // Nobody answers any more: then it ends.
  run_for(kTicksAnHour, false);
  EXPECT_TRUE(first_.empty());
}

}  // namespace
}  // namespace mini::netstack
