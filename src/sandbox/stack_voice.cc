#include "sandbox/stack_voice.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <iterator>

namespace mini {

bool SendReport(int channel, const StackReport& report, std::string_view text, int flags) {
  const iovec pieces[] = {{const_cast<StackReport*>(&report), sizeof report},
                          {const_cast<char*>(text.data()), text.size()}};  // sendmsg(2) only reads
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = std::size(pieces);
  ssize_t sent;
  while ((sent = sendmsg(channel, &message, MSG_NOSIGNAL | flags)) < 0 && errno == EINTR) {
  }
  return sent >= 0;
}

void StackVoice::Say(StackReportKind kind, std::string_view sentence) {
  const StackReport report{kind, StatusCode::kOk, Stage::kNetwork, 0};
  if (!SendReport(channel_, report, sentence, MSG_DONTWAIT)) ++unsent_;
}

}  // namespace mini
