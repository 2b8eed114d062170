#include "base/status.h"

#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace mini {
namespace {

const std::string& Empty() {
  static const std::string empty;
  return empty;
}

StatusCode CodeForErrno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return StatusCode::kNotFound;
    case EPERM:
    case EACCES:
      return StatusCode::kPermissionDenied;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENODEV:
      return StatusCode::kUnsupported;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EAGAIN:
      return StatusCode::kExhausted;
    default:
      return StatusCode::kSystem;
  }
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kArguments:
      return "arguments";
    case Stage::kRules:
      return "rules";
    case Stage::kProbe:
      return "probe";
    case Stage::kPlan:
      return "plan";
    case Stage::kClone:
      return "clone";
    case Stage::kIdMaps:
      return "id maps";
    case Stage::kNetwork:
      return "network";
    case Stage::kMounts:
      return "mounts";
    case Stage::kPrivileges:
      return "privileges";
    case Stage::kExec:
      return "exec";
    case Stage::kSupervise:
      return "supervise";
  }
  return "unknown";
}

Status::Status(StatusCode code, Stage stage, std::string message) {
  if (code == StatusCode::kOk) return;
  rep_ = std::make_unique<Rep>();
  rep_->code = code;
  rep_->stage = stage;
  rep_->message = std::move(message);
}

Status::Status(const Status& other)
    : rep_(other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) rep_ = other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr;
  return *this;
}

const std::string& Status::message() const { return rep_ ? rep_->message : Empty(); }
const std::string& Status::hint() const { return rep_ ? rep_->hint : Empty(); }

Status Status::WithErrno(int error_number) && {
  if (rep_) rep_->error_number = error_number;
  return std::move(*this);
}

Status Status::WithHint(std::string hint) && {
  if (rep_) rep_->hint = std::move(hint);
  return std::move(*this);
}

std::string Status::ToString() const {
  if (!rep_) return "OK";
  std::string text = rep_->message;
  if (rep_->error_number != 0) {
    const char* description = strerrordesc_np(rep_->error_number);
    text += StrCat(": ", description ? description : "unknown error", " (",
                   ErrnoName(rep_->error_number), ")");
  }
  if (!rep_->hint.empty()) text += StrCat(": ", rep_->hint);
  return text;
}

Status InvalidArgument(Stage stage, std::string message) {
  return Status(StatusCode::kInvalidArgument, stage, std::move(message));
}

Status SystemError(Stage stage, int error_number, std::string attempted) {
  return Status(CodeForErrno(error_number), stage, std::move(attempted)).WithErrno(error_number);
}

std::string ErrnoName(int error_number) {
  const char* name = strerrorname_np(error_number);
  return name ? name : StrCat("errno ", error_number);
}

}  // namespace mini
