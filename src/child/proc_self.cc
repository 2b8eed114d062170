#include "child/proc_self.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace mini::child {
namespace {

// A file character by character, with one of look-ahead.
class CharacterReader {
 public:
  explicit CharacterReader(int file) : file_(file) {}

  // -1 at the end and after an error, which error() tells then.
  int Peek() {
    if (next_ == size_) Fill();
    return next_ == size_ ? -1 : static_cast<unsigned char>(buffer_[next_]);
  }
  int Take() {
    const int character = Peek();
    if (character >= 0) ++next_;
    return character;
  }
  int error() const { return error_; }

 private:
  void Fill() {
    ssize_t count;
    while ((count = read(file_, buffer_, sizeof buffer_)) < 0 && errno == EINTR) {
    }
    if (count < 0) error_ = errno;
    next_ = 0;
    size_ = count > 0 ? static_cast<size_t>(count) : 0;
  }

  int file_;
  int error_ = 0;
  size_t next_ = 0;
  size_t size_ = 0;
  char buffer_[4096];
};

int DigitValue(int character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  return 16;
}

// At least one digit, and the character behind the last.
bool TakeNumber(CharacterReader& reader, int base, int terminator, uint64_t& number) {
  if (DigitValue(reader.Peek()) >= base) return false;
  number = 0;
  while (DigitValue(reader.Peek()) < base) {
    number =
        number * static_cast<uint64_t>(base) + static_cast<uint64_t>(DigitValue(reader.Take()));
  }
  return reader.Take() == terminator;
}

// "rwxp" or "rw-s", and a space.
bool TakeProtection(CharacterReader& reader, Mapping& mapping) {
  mapping.protection = reader.Take() == 'r' ? PROT_READ : PROT_NONE;
  if (reader.Take() == 'w') mapping.protection |= PROT_WRITE;
  if (reader.Take() == 'x') mapping.protection |= PROT_EXEC;
  mapping.is_shared = reader.Take() == 's';
  return reader.Take() == ' ';
}

// "start-end rwxp offset major:minor inode", then perhaps a name.
bool TakeMapping(CharacterReader& reader, Mapping& mapping) {
  uint64_t major = 0;
  uint64_t minor = 0;
  if (!TakeNumber(reader, 16, '-', mapping.start) || !TakeNumber(reader, 16, ' ', mapping.end) ||
      !TakeProtection(reader, mapping) || !TakeNumber(reader, 16, ' ', mapping.offset) ||
      !TakeNumber(reader, 16, ':', major) || !TakeNumber(reader, 16, ' ', minor)) {
    return false;
  }
  mapping.file.device = major << 32 | minor;
  mapping.file.inode = 0;
  while (DigitValue(reader.Peek()) < 10) {
    mapping.file.inode = mapping.file.inode * 10 + static_cast<uint64_t>(DigitValue(reader.Take()));
  }
  int character;
  while ((character = reader.Take()) >= 0 && character != '\n') {
  }
  return character == '\n';
}

bool FailWith(int error) {
  errno = error;
  return false;
}

}  // namespace

bool FindMapping(int self, uint64_t address, Mapping& mapping) {
  const UniqueFd maps(openat(self, "maps", O_RDONLY | O_CLOEXEC));
  if (!maps) return false;
  CharacterReader reader(maps.get());
  while (reader.Peek() >= 0) {
    if (!TakeMapping(reader, mapping)) {
      return FailWith(reader.error() != 0 ? reader.error() : EBADMSG);
    }
    if (mapping.end > address) return true;
  }
  return FailWith(reader.error() != 0 ? reader.error() : ENOENT);
}

bool ReadMemoryLayout(int self, prctl_mm_map& layout) {
  // Fields of /proc/PID/stat, counted from 1 (proc(5)); the name, 2, may hold anything but is
  // short.
  constexpr int kFirstBehindName = 3;
  struct Field {
    int number;
    __u64* value;
  };
  const Field fields[] = {{26, &layout.start_code},  {27, &layout.end_code},
                          {28, &layout.start_stack}, {45, &layout.start_data},
                          {46, &layout.end_data},    {47, &layout.start_brk},
                          {48, &layout.arg_start},   {49, &layout.arg_end},
                          {50, &layout.env_start},   {51, &layout.env_end}};
  char text[2048];
  const UniqueFd file(openat(self, "stat", O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  const ssize_t size = read(file.get(), text, sizeof text - 1);
  if (size < 0) return false;
  text[size] = '\0';
  const char* position = strrchr(text, ')');
  if (position == nullptr) return FailWith(EBADMSG);
  int number = kFirstBehindName - 1;
  for (const Field& field : fields) {
    for (; number < field.number; ++number) {
      position = strchr(position + 1, ' ');
      if (position == nullptr) return FailWith(EBADMSG);
    }
    *field.value = 0;
    for (const char* digit = position + 1; *digit >= '0' && *digit <= '9'; ++digit) {
      *field.value = *field.value * 10 + static_cast<__u64>(*digit - '0');
    }
  }
  layout.brk = static_cast<__u64>(syscall(SYS_brk, 0));
  return true;
}

}  // namespace mini::child
