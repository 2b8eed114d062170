#include "fake_tcp_client.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mini::netstack {

TcpFields FakeTcpClient::Fields(uint8_t flags) const {
  TcpFields fields;
  fields.from = from_;
  fields.to = to_;
  fields.sequence = sequence_;
  fields.acknowledgment = (flags & 0x10) != 0 ? expected_ : 0;
  fields.flags = flags;
  fields.window = window_;
  return fields;
}

void FakeTcpClient::SendSyn() {
  SendSyn(from_.address.is_v4() ? Bytes{2, 4, 0x05, 0xb4, 1, 3, 3, 7}
                                : Bytes{2, 4, 0x05, 0xa0, 1, 3, 3, 7});
}

void FakeTcpClient::SendSyn(const Bytes& options) {
  TcpFields syn = Fields(0x02);
  syn.options = options;
  sandbox_.Send(MakeTcp(syn));
}

std::optional<SeenFrame> FakeTcpClient::Connect() {
  SendSyn();
  return Shake();
}

std::optional<SeenFrame> FakeTcpClient::Connect(const Bytes& options) {
  SendSyn(options);
  return Shake();
}

std::optional<SeenFrame> FakeTcpClient::Shake() {
  ++sequence_;
  acknowledged_ = sequence_;
  auto answer = sandbox_.ReceiveFor(from_.port);
  if (!answer || !answer->Is(0x12)) return answer;
  expected_ = answer->sequence + 1;
  peer_scale_ = answer->window_scale.value_or(0);
  peer_window_ = answer->window;
  connected_ = answer->acknowledgment == sequence_;
  SendAck();
  return answer;
}

bool FakeTcpClient::Accept(const SeenFrame& syn) {
  TcpFields answer = Fields(0x12);
  expected_ = answer.acknowledgment = syn.sequence + 1;
  answer.options = from_.address.is_v4() ? Bytes{2, 4, 0x05, 0xb4, 1, 3, 3, 7}
                                         : Bytes{2, 4, 0x05, 0xa0, 1, 3, 3, 7};
  sandbox_.Send(MakeTcp(answer));
  acknowledged_ = ++sequence_;
  const auto done = sandbox_.ReceiveFor(from_.port);
  if (!done || !done->Is(0x10)) return false;
  peer_scale_ = syn.window_scale.value_or(0);
  peer_window_ = uint32_t{done->window} << peer_scale_;
  connected_ = done->acknowledgment == sequence_;
  return connected_;
}

void FakeTcpClient::SendAck() { sandbox_.Send(MakeTcp(Fields(0x10))); }

void FakeTcpClient::Write(const Bytes& data) {
  TcpFields fields = Fields(0x18);
  fields.payload = data;
  sandbox_.Send(MakeTcp(fields));
  sequence_ += static_cast<uint32_t>(data.size());
}

void FakeTcpClient::WriteOffloaded(const Bytes& data, uint16_t gso_size) {
  TcpFields fields = Fields(0x18);
  fields.payload = data;
  Bytes frame = MakeTcp(fields);
  const bool v4 = from_.address.is_v4();
  VnetFields vnet;
  vnet.flags = 1;
  vnet.gso_type = v4 ? 1 : 4;
  vnet.gso_size = gso_size;
  vnet.checksum_start = v4 ? 34 : 54;
  vnet.checksum_offset = 16;
  vnet.header_length = static_cast<uint16_t>(vnet.checksum_start + 20);
  SetVnet(frame, vnet);
  sandbox_.Send(frame);
  sequence_ += static_cast<uint32_t>(data.size());
}

std::optional<SeenFrame> FakeTcpClient::Step(std::chrono::milliseconds patience) {
  auto frame = sandbox_.ReceiveFor(from_.port, patience);
  if (!frame) return frame;
  EXPECT_TRUE(frame->sound);
  seen_flags_ |= frame->flags;
  if ((frame->flags & 0x10) != 0) acknowledged_ = frame->acknowledgment;
  peer_window_ = uint32_t{frame->window} << peer_scale_;
  frames_.push_back(*frame);
  frames_.back().payload.clear();
  const bool fin = (frame->flags & 1) != 0;
  if (frame->sequence == expected_ && (!frame->payload.empty() || fin)) {
    received_.insert(received_.end(), frame->payload.begin(), frame->payload.end());
    expected_ += static_cast<uint32_t>(frame->payload.size()) + (fin ? 1 : 0);
    SendAck();
  }
  return frame;
}

Bytes FakeTcpClient::ReadExactly(size_t size) {
  while (received_.size() < size) {
    if (!Step()) break;
  }
  Bytes data(received_.begin(),
             received_.begin() + static_cast<ptrdiff_t>(std::min(size, received_.size())));
  received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(data.size()));
  return data;
}

bool FakeTcpClient::AwaitFlag(uint8_t flag) {
  while ((seen_flags_ & flag) == 0) {
    if (!Step()) return false;
  }
  return true;
}

bool FakeTcpClient::AwaitAcknowledged() {
  while (acknowledged_ != sequence_) {
    if (!Step()) return false;
  }
  return true;
}

bool FakeTcpClient::AwaitWindow(uint32_t size) {
  while (peer_window_ < size) {
    if (!Step()) return false;
  }
  return true;
}

void FakeTcpClient::Finish() {
  sandbox_.Send(MakeTcp(Fields(0x11)));
  ++sequence_;
}

void FakeTcpClient::Reset() { sandbox_.Send(MakeTcp(Fields(0x14))); }

}  // namespace mini::netstack
