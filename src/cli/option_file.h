// Options from files: "@FILE". What such a file may hold is documented in docs/flags.md ("Options
// from a file").
#ifndef MINI_SANDBOX_CLI_OPTION_FILE_H_
#define MINI_SANDBOX_CLI_OPTION_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cli/option_words.h"
#include "sys/read_file.h"

namespace mini {

// A line that holds something: neither empty nor a comment.
struct OptionLine {
  std::string place;  // "FILE:LINE"
  std::string text;   // without blanks around it; of a quoted one, what the quotes mean
  bool is_quoted = false;
};

// The lines of a file's text; `file` is the name for errors.
Result<std::vector<OptionLine>> ParseOptionLines(std::string_view file, std::string_view text);

// Appends the options of files to `uses`, which it borrows.
class OptionFileReader {
 public:
  OptionFileReader(const TakesValue& takes_value, std::vector<OptionUse>& uses)
      : takes_value_(takes_value), uses_(uses) {}

  // The file at `path`, and those that it names. Relative paths count from the working directory.
  Status Read(const std::string& path);

 private:
  // The text of the file, which is now the innermost of open_. Errors are about the file itself.
  Result<std::string> Open(const std::string& path);
  Status RefuseCycle(const TextFile& file) const;
  // Its options. Errors name file and line. Closes the file.
  Status ReadInnermost(std::string_view text);
  Status ReadLines(const std::vector<OptionLine>& lines);
  // One line where an option is expected. True when its option waits for a value.
  Result<bool> ReadOptionLine(const OptionLine& line);
  Result<bool> SplitLine(const OptionLine& line);

  const TakesValue& takes_value_;
  std::vector<OptionUse>& uses_;
  std::vector<TextFile> open_;  // from the command line's file to the one being read
  size_t files_read_ = 0;
  size_t bytes_read_ = 0;
};

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTION_FILE_H_
