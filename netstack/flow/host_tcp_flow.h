// A TCP flow that leads to a host socket.
//
// Theory of operation. The host's connect comes first; what it says, the sandbox hears: SYN-ACK,
// RST, or an ICMP error that makes connect(2) inside fail with the same errno. A time-out is
// answered with silence, because the kernel inside, which started a little earlier, times out by
// itself. Then bytes are relayed both ways. Each direction ends by itself: the sandbox's FIN
// becomes shutdown(SHUT_WR) once the host has taken everything before it; the host's end of file
// becomes FIN. A reset on one side becomes a reset on the other; and whatever ends the stack before
// the sandbox has finished sending (the end of the run, a kill) resets the host's connection as
// well, so that a peer never takes a part of a stream for all of it.
//
// An inbound flow is the same with the roles turned: the socket is a client's, connected already,
// and the SYN goes to the sandbox; from when that is answered on there is no difference.
//
// Urgent data stays urgent, both ways: the byte that the sandbox marks is sent with MSG_OOB, and
// the mark in what the host receives (SIOCATMARK) is set for the sandbox at the same byte. Whether
// it is read in line or out of band is decided at the ends.
//
// The socket is watched level-triggered. Reading stops when the sandbox does not keep up (the data
// then waits in the host's kernel, and its peer feels it); writing waits for EPOLLOUT when the host
// does not.
//
// A flow that a name opened has a check of what its client asks for (server_name_check.h): what the
// sandbox sends waits for that, what the host sends does not. The check goes when it has no more to
// ask, and a flow without one is looked into by nobody. Urgent bytes are ordinary ones where a
// check looks: the host's server would take them out of what it reads, and read another name.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_HOST_TCP_FLOW_H_
#define MINI_SANDBOX_NETSTACK_FLOW_HOST_TCP_FLOW_H_

#include <sys/socket.h>

#include <memory>

#include "base/unique_fd.h"
#include "netstack/filter/flow_record.h"
#include "netstack/flow/server_name_check.h"
#include "netstack/flow/tcp_flow.h"

namespace mini::netstack {

// What a flow's socket has from its beginning; on a listener, for the connections of which
// accept4(2) takes one.
void SetHostSocketOptions(int fd);

class HostTcpFlow : public TcpFlow {
 public:
  // Without a check, the flow may lead to any server at its address.
  HostTcpFlow(TcpFlowTable& table, const FlowKey& key, FlowRecord record = {},
              std::unique_ptr<ServerNameCheck> check = nullptr);
  ~HostTcpFlow() override;

  void Service() override;
  void OnTick(TimePoint now) override;
  void Abandon() override;
  void Evict() override;
  ActivityClass activity_class() const override {
    const bool connected = dial_ == Dial::kDone || dial_ == Dial::kAccepted;
    return connected ? ActivityClass::kCarrying : ActivityClass::kConnecting;
  }
  bool HasToDeliver() const override {
    return socket_ && dial_ == Dial::kDone && phase() != Phase::kHandshake && !write_shut_;
  }

 protected:
  // Inbound; `accepted` has the options of SetHostSocketOptions().
  HostTcpFlow(TcpFlowTable& table, const FlowKey& key, UniqueFd accepted, FlowRecord record);
  FlowRecord& record() { return record_; }
  bool FarSideDone() const override { return !socket_; }

 private:
  enum class Dial : uint8_t { kNotStarted, kAccepted, kUnderWay, kDone };

  void StartDial();
  void StartInward();
  int Connect(const sockaddr_storage& address, socklen_t length);
  void FinishDial();
  void DialFailed(int error);
  void OnHostEvent(uint32_t events);
  void FlushToHost();
  ssize_t SendPieces(std::span<iovec> pieces);
  size_t PassablePieces(std::span<iovec> pieces);
  void Follow(ServerNameCheck::State state);
  void PullFromHost();
  bool PullUrgent();
  bool PullBlocks(size_t room);
  bool PullSmall(size_t room);
  bool HostRead(ssize_t length, size_t wanted);
  void WatchHost();
  void CloseHost();
  void ResetHost();

  UniqueFd socket_;
  FlowRecord record_;  // ends with the socket
  std::unique_ptr<ServerNameCheck> check_;
  size_t checked_bytes_ = 0;  // that a check has seen which is gone, of what is received
  Dial dial_ = Dial::kNotStarted;
  bool readable_ = false;
  bool starved_ = false;        // more to read, but no room
  bool write_blocked_ = false;  // waits for EPOLLOUT
  bool urgent_ahead_ = false;   // the host has said so (EPOLLPRI)
  bool host_finished_ = false;
  bool write_shut_ = false;
  bool host_failed_ = false;
  bool keeps_alive_ = false;  // the host's kernel asks whether the host is still there
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_HOST_TCP_FLOW_H_
