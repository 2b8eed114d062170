// Theory of operation. A file is read whole, split into lines, and each line where an option is
// expected goes through the same SplitOptionWord() as a word of the command line. "@FILE" lines
// recurse. The files on the way down stay open, so that device and inode name them: a file that is
// met again on its own way is a cycle, under whatever name. Files may be named repeatedly next to
// each other, which grows exponentially with the depth: files and bytes are counted over the run.
#include "cli/option_file.h"

#include <utility>

#include "base/strings.h"
#include "cli/option_values.h"

namespace mini {
namespace {

// Far beyond what people write, and small enough to be read in no time.
constexpr size_t kMaxFiles = 1000;
constexpr size_t kMaxBytes = 4 << 20;

// What stands between double quotes; `text` begins with one and must end with its partner.
Result<std::string> Unquote(std::string_view text) {
  std::string out;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (i + 1 == text.size()) return out;
      return Mistake("text after the closing quote");
    }
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char escaped = ++i < text.size() ? text[i] : '\0';
    switch (escaped) {
      case '"':
      case '\\':
        out += escaped;
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      default:
        return Mistake("inside quotes, \\ goes before \", \\, n or t only");
    }
  }
  return Mistake("the closing quote is missing");
}

Result<OptionLine> ParseLine(std::string_view text) {
  OptionLine line;
  line.is_quoted = text.starts_with('"');
  if (!line.is_quoted) {
    line.text = text;
    return line;
  }
  MINI_ASSIGN_OR_RETURN(line.text, Unquote(text));
  return line;
}

// Up to the first blank; quotes make one word of a line.
std::string_view FirstWord(const OptionLine& line) {
  const std::string_view text = line.text;
  return line.is_quoted ? text : text.substr(0, text.find_first_of(" \t"));
}

}  // namespace

Result<std::vector<OptionLine>> ParseOptionLines(std::string_view file, std::string_view text) {
  std::vector<OptionLine> lines;
  size_t number = 0;
  for (std::string_view row : StrSplit(text, '\n')) {
    const std::string place = StrCat(EscapeForTerminal(file), ":", ++number);
    if (row.find('\0') != std::string_view::npos) {
      return AtPlace(place, Mistake("the line contains a NUL byte"));
    }
    if (row.ends_with('\r')) row.remove_suffix(1);
    row = StripBlanks(row);
    if (row.empty() || row.starts_with('#')) continue;
    Result<OptionLine> line = ParseLine(row);
    if (!line.ok()) return AtPlace(place, std::move(line).status());
    line->place = place;
    lines.push_back(std::move(*line));
  }
  return lines;
}

Status OptionFileReader::RefuseCycle(const TextFile& file) const {
  for (const TextFile& outer : open_) {
    if (!file.IsSameFileAs(outer)) continue;
    return Mistake(StrCat("@", EscapeForTerminal(file.path()), ": the file includes itself"));
  }
  return OkStatus();
}

Result<std::string> OptionFileReader::Open(const std::string& path) {
  const auto refuse = [&](std::string_view why) {
    return Mistake(StrCat("@", EscapeForTerminal(path), ": ", why));
  };
  if (path.empty()) return Mistake("@: the name of the options file is missing");
  if (++files_read_ > kMaxFiles) return refuse(StrCat("more than ", kMaxFiles, " options files"));
  MINI_ASSIGN_OR_RETURN(TextFile file, TextFile::Open(path, Stage::kArguments));
  MINI_RETURN_IF_ERROR(RefuseCycle(file));
  MINI_ASSIGN_OR_RETURN(std::string text, file.ReadAll(kMaxBytes));
  bytes_read_ += text.size();
  if (bytes_read_ > kMaxBytes) {
    return refuse(StrCat("more than ", kMaxBytes, " bytes of options files"));
  }
  open_.push_back(std::move(file));
  return text;
}

Status OptionFileReader::ReadInnermost(std::string_view text) {
  Result<std::vector<OptionLine>> lines = ParseOptionLines(open_.back().path(), text);
  Status read = lines.ok() ? ReadLines(*lines) : std::move(lines).status();
  open_.pop_back();
  return read;
}

Status OptionFileReader::Read(const std::string& path) {
  Result<std::string> text = Open(path);
  if (text.ok()) return ReadInnermost(*text);
  return std::move(text).status().WithHint("a command whose name begins with @ goes behind --");
}

Status OptionFileReader::ReadLines(const std::vector<OptionLine>& lines) {
  for (size_t i = 0; i < lines.size(); ++i) {
    Result<bool> waits = ReadOptionLine(lines[i]);
    if (!waits.ok()) return std::move(waits).status();
    if (!*waits) continue;
    if (i + 1 == lines.size() || (lines[i + 1].text == "--" && !lines[i + 1].is_quoted)) {
      return AtPlace(lines[i].place, MissingValue(lines[i].text));
    }
    uses_.back().value = lines[++i].text;
  }
  return OkStatus();
}

Result<bool> OptionFileReader::ReadOptionLine(const OptionLine& line) {
  if (line.text.starts_with('@')) {
    Result<std::string> text = Open(line.text.substr(1));
    if (!text.ok()) return AtPlace(line.place, std::move(text).status());
    MINI_RETURN_IF_ERROR(ReadInnermost(*text));
    return false;
  }
  const auto refuse = [&](std::string message) {
    return AtPlace(line.place, Mistake(std::move(message)));
  };
  const std::string_view word = FirstWord(line);
  if (word == "--") return refuse("-- ends the options on the command line only");
  if (word.size() < 2 || word[0] != '-') {
    return refuse(
        StrCat(EscapeForTerminal(word), ": not an option; the command stands on the command line"));
  }
  const size_t before = uses_.size();
  Result<bool> waits = SplitLine(line);
  if (!waits.ok()) return AtPlace(line.place, std::move(waits).status());
  for (size_t i = before; i < uses_.size(); ++i) uses_[i].place = line.place;
  return waits;
}

// "-w /path" on one line is an option and its value; "-w/a b" and "--write=/a b" have theirs
// already and go on to the end of the line.
Result<bool> OptionFileReader::SplitLine(const OptionLine& line) {
  const std::string_view word = FirstWord(line);
  const std::string_view rest = std::string_view(line.text).substr(word.size());
  if (rest.empty()) return SplitOptionWord(word, takes_value_, uses_);
  const size_t before = uses_.size();
  MINI_ASSIGN_OR_RETURN(const bool waits, SplitOptionWord(word, takes_value_, uses_));
  if (waits) {
    MINI_ASSIGN_OR_RETURN(OptionLine value, ParseLine(StripBlanks(rest)));
    uses_.back().value = std::move(value.text);
    return false;
  }
  if (!uses_.back().value) {
    return Mistake(StrCat(uses_.back().name, ": it takes no value; give each option its own line"));
  }
  uses_.resize(before);
  return SplitOptionWord(line.text, takes_value_, uses_);
}

}  // namespace mini
