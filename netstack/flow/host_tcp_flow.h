// A TCP flow that leads to a host socket.
//
// Theory of operation. The host's connect comes first; what it says, the sandbox hears: SYN-ACK,
// RST, or an ICMP error that makes connect(2) inside fail with the same errno. A time-out is
// answered with silence, because the kernel inside, which started a little earlier, times out by
// itself. Then bytes are relayed both ways. Each direction ends by itself: the sandbox's FIN
// becomes shutdown(SHUT_WR) once the host has taken everything before it; the host's end of file
// becomes FIN. A reset on one side becomes a reset on the other.
//
// The socket is watched level-triggered. Reading stops when the sandbox does not keep up (the data
// then waits in the host's kernel, and its peer feels it); writing waits for EPOLLOUT when the host
// does not.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_HOST_TCP_FLOW_H_
#define MINI_SANDBOX_NETSTACK_FLOW_HOST_TCP_FLOW_H_

#include "base/unique_fd.h"
#include "netstack/filter/flow_record.h"
#include "netstack/flow/tcp_flow.h"

namespace mini::netstack {

class HostTcpFlow final : public TcpFlow {
 public:
  HostTcpFlow(TcpFlowTable& table, const FlowKey& key, FlowRecord record);
  ~HostTcpFlow() override;

  void Service() override;
  void OnTick(TimePoint now) override;
  void Abandon() override;

 protected:
  bool FarSideDone() const override { return !socket_; }

 private:
  enum class Dial : uint8_t { kNotStarted, kUnderWay, kDone };

  void StartDial();
  void FinishDial();
  void DialFailed(int error);
  void OnHostEvent(uint32_t events);
  void FlushToHost();
  void PullFromHost();
  bool PullBlocks(size_t room);
  bool PullSmall(size_t room);
  bool HostRead(ssize_t length, size_t wanted);
  void WatchHost();
  void CloseHost();
  void ResetHost();

  UniqueFd socket_;
  FlowRecord record_;  // ends with the socket
  Dial dial_ = Dial::kNotStarted;
  bool readable_ = false;
  bool starved_ = false;        // more to read, but no room
  bool write_blocked_ = false;  // waits for EPOLLOUT
  bool host_finished_ = false;
  bool write_shut_ = false;
  bool host_failed_ = false;
  TimePoint last_activity_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_HOST_TCP_FLOW_H_
