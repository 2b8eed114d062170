// Errors as values.
//
// A Status is made where something fails: at the syscall, at the bad line. It carries what a
// person needs to act: the stage of the run, the object, errno when a syscall failed, and a hint.
// Nobody logs and returns; a Status travels up to the one place that prints it (cli/, capi/).
//
//   Status s = SystemError(Stage::kMounts, errno, StrCat("mount overlay on ", path));
//   return std::move(s).WithHint("run `mini-sandbox doctor`");
//
// An OK Status is one null pointer: returning it costs nothing.
#ifndef MINI_SANDBOX_BASE_STATUS_H_
#define MINI_SANDBOX_BASE_STATUS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace mini {

// Where in a run an error arose. The order is that of the run; see docs/architecture.md.
enum class Stage : uint8_t {
  kArguments,   // the command line or an API setting
  kRules,       // an allow-list
  kProbe,       // reading facts about the host
  kPlan,        // policy and facts do not fit together: elsewhere the same command line might do
  kClone,       // new namespaces
  kIdMaps,      // user and group maps
  kNetwork,     // TAP, addresses, routes, the stack
  kMounts,      // the file system
  kPrivileges,  // capabilities, seccomp
  kExec,        // starting the command
  kSupervise,   // waiting for it
};

std::string_view StageName(Stage stage);

enum class StatusCode : uint8_t {
  kOk,
  kInvalidArgument,   // the caller can mend it by asking for something else
  kNotFound,          // a named object does not exist
  kPermissionDenied,  // the kernel or the file system said no
  kUnsupported,       // this machine cannot do it
  kExhausted,         // memory, descriptors, processes
  kSystem,            // any other failed system call
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, Stage stage, std::string message);

  // Copies share nothing: a Status is a value.
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  Stage stage() const { return rep_ ? rep_->stage : Stage::kArguments; }
  int error_number() const { return rep_ ? rep_->error_number : 0; }  // errno, or 0
  const std::string& message() const;
  const std::string& hint() const;

  Status WithErrno(int error_number) &&;
  Status WithHint(std::string hint) &&;

  // "mount overlay on /home/u: Operation not permitted (EPERM): run mini-sandbox doctor"; "OK".
  std::string ToString() const;

 private:
  struct Rep {
    StatusCode code;
    Stage stage;
    int error_number = 0;
    std::string message;
    std::string hint;
  };
  std::unique_ptr<Rep> rep_;
};

inline Status OkStatus() { return Status(); }
Status InvalidArgument(Stage stage, std::string message);
// Translates errno once, at the call: what was attempted on which object, and why it failed.
Status SystemError(Stage stage, int error_number, std::string attempted);

// "EPERM" for EPERM; "errno 4711" for a number without a name.
std::string ErrnoName(int error_number);

// A T, or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  Status status() const& { return ok() ? OkStatus() : std::get<1>(state_); }
  Status status() && { return ok() ? OkStatus() : std::get<1>(std::move(state_)); }

  // Only when ok().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

#define MINI_CONCAT_INNER(a, b) a##b
#define MINI_CONCAT(a, b) MINI_CONCAT_INNER(a, b)

#define MINI_RETURN_IF_ERROR(expr)             \
  do {                                         \
    ::mini::Status mini_status = (expr);       \
    if (!mini_status.ok()) return mini_status; \
  } while (false)

#define MINI_ASSIGN_OR_RETURN(declaration, expr) \
  MINI_ASSIGN_OR_RETURN_INNER(MINI_CONCAT(mini_result_, __LINE__), declaration, expr)
#define MINI_ASSIGN_OR_RETURN_INNER(result, declaration, expr) \
  auto result = (expr);                                        \
  if (!result.ok()) return std::move(result).status();         \
  declaration = std::move(result).value()

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_STATUS_H_
