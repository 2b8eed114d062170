#include "cli/option_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/command_line.h"

namespace mini {
namespace {

// "text|text|", quoted ones in quotes; or the error.
std::string LinesOf(std::string_view text) {
  const auto lines = ParseOptionLines("f", text);
  if (!lines.ok()) return lines.status().ToString();
  std::string out;
  for (const OptionLine& line : *lines) {
    out += line.is_quoted ? StrCat("\"", line.text, "\"|") : StrCat(line.text, "|");
  }
  return out;
}

TEST(OptionLines, EachLineIsOneWord) {
  EXPECT_EQ(LinesOf("-w\n/a b/c\n-x"), "-w|/a b/c|-x|");
  EXPECT_EQ(LinesOf("-w\r\n/a\r\n"), "-w|/a|") << "files of other systems";
  EXPECT_EQ(LinesOf("  -w\t\n\t /a \t"), "-w|/a|") << "blanks around a word are layout";
  EXPECT_EQ(LinesOf("it's\n$HOME\n~/*\n\\\n\xc3\xa4"), "it's|$HOME|~/*|\\|\xc3\xa4|");
}

TEST(OptionLines, EmptyLinesAndCommentsAreNone) {
  EXPECT_EQ(LinesOf(""), "");
  EXPECT_EQ(LinesOf("\n\r\n  \n# -x\n  # -x\r\n"), "");
  EXPECT_EQ(LinesOf("-x # no comment\n/a#b"), "-x # no comment|/a#b|");
}

TEST(OptionLines, QuotesHoldWhatALineCannot) {
  EXPECT_EQ(LinesOf(R"("# a")"), "\"# a\"|");
  EXPECT_EQ(LinesOf(R"(" a ")"), "\" a \"|");
  EXPECT_EQ(LinesOf(R"("a\nb\t\"c\" \\")"), "\"a\nb\t\"c\" \\\"|");
  EXPECT_EQ(LinesOf("\"\"  \r\n"), "\"\"|") << "an empty word";
  EXPECT_EQ(LinesOf(R"(a"b")"), "a\"b\"|") << "only at the start of a word";
}

TEST(OptionLines, BadQuotesNameTheirLine) {
  EXPECT_EQ(LinesOf("-x\n\"a"), "f:2: the closing quote is missing");
  EXPECT_EQ(LinesOf("\"a\\\""), "f:1: the closing quote is missing");
  EXPECT_EQ(LinesOf("\"a\\"), "f:1: inside quotes, \\ goes before \", \\, n or t only");
  EXPECT_EQ(LinesOf("\"\\x41\""), "f:1: inside quotes, \\ goes before \", \\, n or t only");
  EXPECT_EQ(LinesOf("\n\n\"a\"b"), "f:3: text after the closing quote");
  EXPECT_EQ(LinesOf("\"a\" \"b\""), "f:1: text after the closing quote");
  EXPECT_EQ(LinesOf(std::string_view("-x\n/a\0b", 7)), "f:2: the line contains a NUL byte");
  EXPECT_EQ(LinesOf(std::string_view("#\0", 2)), "f:1: the line contains a NUL byte");
}

// Any word at all can be written down: quoted by the documented rules it comes back.
TEST(OptionLines, EveryWordCanBeQuoted) {
  std::mt19937 random(20261122);
  std::uniform_int_distribution<int> length(0, 40);
  std::uniform_int_distribution<int> byte(1, 255);
  const std::string_view frequent = "\"\\\n\t\r #@-ntx";
  for (int i = 0; i < 5'000; ++i) {
    std::string word;
    for (int n = length(random); n > 0; --n) {
      const int b = byte(random);
      word += b < 128 ? frequent[static_cast<size_t>(b) % frequent.size()] : static_cast<char>(b);
    }
    std::string quoted = "\"";
    for (const char c : word) {
      if (c == '\n') {
        quoted += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    quoted += '"';
    const auto lines = ParseOptionLines("f", quoted);
    ASSERT_TRUE(lines.ok()) << quoted << ": " << lines.status().ToString();
    ASSERT_EQ(lines->size(), 1u) << quoted;
    EXPECT_EQ((*lines)[0].text, word);
  }
}

// The test's working directory, in which options files are written.
class OptionFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "option_file_test.XXXXXX";
    directory_ = std::filesystem::canonical(mkdtemp(pattern.data()));
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(directory_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(directory_);
  }

  static void Write(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  static Result<CommandLine> Parse(std::vector<const char*> words) {
    words.insert(words.begin(), "mini-sandbox");
    return ParseCommandLine(Product::kSandbox, static_cast<int>(words.size()), words.data());
  }

  // "/bind:w /bind:r : command ", or the error.
  static std::string Outcome(std::vector<const char*> words) {
    const auto line = Parse(std::move(words));
    if (!line.ok()) return line.status().ToString();
    std::string text;
    for (const BindRequest& bind : line->policy.binds) {
      text += StrCat(bind.source, bind.target == bind.source ? "" : StrCat(">", bind.target),
                     bind.access == Access::kWritable ? ":w " : ":r ");
    }
    text += ": ";
    for (const std::string& word : line->command) text += word + " ";
    return text;
  }

  // What one file `f` with this text yields.
  static std::string OutcomeOf(std::string_view text) {
    Write("f", text);
    return Outcome({"@f", "true"});
  }

  std::string directory_;
  std::filesystem::path before_;
};

TEST_F(OptionFileTest, OptionsStandWhereTheFileIsNamed) {
  Write("f", "-w\n/b\n-M\n/c\n-m\n/d\n");
  EXPECT_EQ(Outcome({"-w", "/a", "@f", "-w", "/e", "echo", "@f"}),
            "/a:w /b:w /c>/d:r /e:w : echo @f ");
  EXPECT_EQ(Outcome({"-M", "/s", "@f", "true"}), "/s:r /b:w /c>/d:r : true ");
  Write("to", "-m\n/d");
  EXPECT_EQ(Outcome({"-M", "/s", "@to", "--", "true"}), "/s>/d:r : true ");
}

TEST_F(OptionFileTest, AValueStandsOnTheNextLineOrBehindTheOption) {
  EXPECT_EQ(OutcomeOf("-w\n/a b\n"), "/a b:w : true ");
  EXPECT_EQ(OutcomeOf("-w /a b\n"), "/a b:w : true ");
  EXPECT_EQ(OutcomeOf("-w\t  /a b\n"), "/a b:w : true ");
  EXPECT_EQ(OutcomeOf("-w/a b\n"), "/a b:w : true ");
  EXPECT_EQ(OutcomeOf("--write /a=b c\n"), "/a=b c:w : true ");
  EXPECT_EQ(OutcomeOf("--write=/a b c\n"), "/a b c:w : true ");
  EXPECT_EQ(OutcomeOf("-w \" /a\"\n-w \"/a \"\n"), StrCat(directory_, "/ /a:w /a :w : true "));
  EXPECT_EQ(OutcomeOf("\"--write=/a\\nb\""), "/a\nb:w : true ");
  EXPECT_EQ(OutcomeOf("-w\n# where to\n\n  /a\n"), "/a:w : true ");
  EXPECT_EQ(OutcomeOf("-w\n@a\n-w\n-x\n"),
            StrCat(directory_, "/@a:w ", directory_, "/-x:w : true "));
}

TEST_F(OptionFileTest, WhatIsNoOptionIsRefusedWithItsLine) {
  EXPECT_EQ(OutcomeOf("-x\n--\n"), "f:2: -- ends the options on the command line only");
  EXPECT_EQ(OutcomeOf("-x\nls\n"),
            "f:2: ls: not an option; the command stands on the command line");
  EXPECT_EQ(OutcomeOf("\n-\n"), "f:2: -: not an option; the command stands on the command line");
  EXPECT_EQ(OutcomeOf("-- ls"), "f:1: -- ends the options on the command line only");
  EXPECT_EQ(OutcomeOf("- ls"), "f:1: -: not an option; the command stands on the command line");
  EXPECT_EQ(OutcomeOf("\"\""), "f:1: : not an option; the command stands on the command line");
  EXPECT_EQ(OutcomeOf("-x -R"), "f:1: -x: it takes no value; give each option its own line");
  EXPECT_EQ(OutcomeOf("-x\n-w\n"), "f:2: -w: a value is missing");
  EXPECT_EQ(OutcomeOf("-w\n--\n"), "f:1: -w: a value is missing");
  EXPECT_EQ(OutcomeOf("-w\n\"--\"\n"), StrCat(directory_, "/--:w : true ")) << "quoted is meant";
  EXPECT_EQ(OutcomeOf("\n-Q\n"), "f:2: unknown option -Q");
  EXPECT_EQ(OutcomeOf("--allow x"),
            "f:1: --allow: an allow-list needs the network stack: run mini-tapbox");
}

TEST_F(OptionFileTest, AWrongValueIsNamedWithItsLine) {
  EXPECT_EQ(OutcomeOf("-x\n-T\nsoon\n"), "f:2: -T soon: not a number of seconds");
  EXPECT_EQ(OutcomeOf("-R\n\n-U\n"), "f:3: -R and -U exclude each other");
  Write("f", "-x");
  EXPECT_EQ(Outcome({"@f", "-T", "soon", "true"}), "-T soon: not a number of seconds");
  EXPECT_EQ(OutcomeOf("-M\n/\n-M\n/a\n"), "f:1: -M /: nothing can be bound on / itself");
  EXPECT_EQ(OutcomeOf("-x\n-w /\n"),
            "f:2: -w /: the whole system cannot be writable; name directories below it");
}

TEST_F(OptionFileTest, FilesNameFiles) {
  std::filesystem::create_directory("sub");
  Write("f", "-w\n/a\n@sub/g\n-w\n/c\n");
  Write("sub/g", "@h\n");
  Write("h", "-w\n/b\n");
  EXPECT_EQ(Outcome({"@f", "true"}), "/a:w /b:w /c:w : true ")
      << "relative names count from the working directory";
  Write("h", "-w\n/b\n-Q\n");
  EXPECT_EQ(Outcome({"@f", "true"}), "h:3: unknown option -Q");
  Write("h", "\"");
  EXPECT_EQ(Outcome({"@f", "true"}), "h:1: the closing quote is missing");
  EXPECT_EQ(OutcomeOf("-x\n@none\n"), "f:2: open none: No such file or directory (ENOENT)");
  EXPECT_EQ(OutcomeOf("@"), "f:1: @: the name of the options file is missing");
}

TEST_F(OptionFileTest, TheSameFileTwiceIsNoCycle) {
  Write("f", "@g\n@g\n");
  Write("g", "-w\n/a\n");
  EXPECT_EQ(Outcome({"@f", "@g", "true"}), "/a:w /a:w /a:w : true ");
}

TEST_F(OptionFileTest, CyclesAreFoundUnderAnyName) {
  EXPECT_EQ(OutcomeOf("-x\n@f\n"), "f:2: @f: the file includes itself");
  std::filesystem::create_symlink("f", "link");
  std::filesystem::create_hard_link("f", "other");
  EXPECT_EQ(OutcomeOf("@link\n"), "f:1: @link: the file includes itself");
  EXPECT_EQ(OutcomeOf("@./other\n"), "f:1: @./other: the file includes itself");
  Write("f", "@0");
  for (int i = 0; i < 200; ++i) Write(StrCat(i), StrCat("@", i + 1));
  Write("200", "\n@0");
  EXPECT_EQ(Outcome({"@f", "true"}), "200:2: @0: the file includes itself");
}

TEST_F(OptionFileTest, RepeatedInclusionEndsWithAnError) {
  for (int i = 0; i < 30; ++i) Write(StrCat(i), StrCat("@", i + 1, "\n@", i + 1, "\n"));
  Write("30", "");
  const std::string outcome = Outcome({"@0", "true"});
  EXPECT_TRUE(outcome.ends_with(": more than 1000 options files")) << outcome;
}

TEST_F(OptionFileTest, WhatIsNoReadableFileIsRefused) {
  const std::string hint = ": a command whose name begins with @ goes behind --";
  EXPECT_EQ(Outcome({"@none", "true"}),
            StrCat("open none: No such file or directory (ENOENT)", hint));
  EXPECT_EQ(Outcome({"@", "true"}), StrCat("@: the name of the options file is missing", hint));
  EXPECT_EQ(Outcome({"@.", "true"}), StrCat("read .: it is a directory", hint));
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  EXPECT_EQ(Outcome({"@fifo", "true"}),
            StrCat("read fifo: it is a FIFO, not a regular file", hint));
  EXPECT_EQ(Outcome({"@/dev/zero", "true"}),
            StrCat("read /dev/zero: it is a device, not a regular file", hint));
  if (geteuid() != 0) {  // root reads anything
    Write("closed", "-x");
    ASSERT_EQ(chmod("closed", 0), 0);
    EXPECT_EQ(Outcome({"@closed", "true"}),
              StrCat("open closed: Permission denied (EACCES)", hint));
  }
  Write("huge", "");
  ASSERT_EQ(truncate("huge", (4 << 20) + 1), 0);
  EXPECT_EQ(Outcome({"@huge", "true"}), StrCat("read huge: it is larger than 4194304 bytes", hint));
  Write("half", std::string(3 << 20, '\n'));
  EXPECT_EQ(Outcome({"@half", "@half", "true"}),
            StrCat("@half: more than 4194304 bytes of options files", hint));
}

TEST_F(OptionFileTest, AnEmptyFileHasNoOptions) {
  EXPECT_EQ(OutcomeOf(""), ": true ");
  EXPECT_EQ(OutcomeOf("# nothing yet\n"), ": true ");
}

TEST_F(OptionFileTest, TenThousandOptionsAreAllThere) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += StrCat("-M\n/host/", i, "\n-m\n/inside/", i, "\n");
  Write("many", text);
  const auto line = Parse({"@many", "true"});
  ASSERT_TRUE(line.ok()) << line.status().ToString();
  ASSERT_EQ(line->policy.binds.size(), 10'000u);
  EXPECT_EQ(line->policy.binds.back().source, "/host/9999");
  EXPECT_EQ(line->policy.binds.back().target, "/inside/9999");
}

// Whatever stands in a file, the command is the command line's, and an error says where.
TEST_F(OptionFileTest, OddBytesAreOptionsOrAnError) {
  std::mt19937 random(3);
  const std::vector<std::string_view> pieces = {
      "-x",   "-w",     "/a", "\n", "\n",       "\n",  "\r\n", " ",      "\t",
      "\"",   "\\",     "@f", "@g", "--",       "-",   "#",    "--help", "=",
      "-T",   "5",      "-M", "-m", "--setenv", "A=b", "\xff", "-xT5",   std::string_view("\0", 1),
      "true", "--tmpfs"};
  Write("g", "-w\n/g\n");
  int accepted = 0;
  for (int i = 0; i < 4'000; ++i) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
    Write("f", text);
    const auto line = Parse({"@f", "true", "-x"});
    if (line.ok()) {
      ++accepted;
      if (line->text_only) continue;
      EXPECT_EQ(line->command, (std::vector<std::string>{"true", "-x"})) << text;
      continue;
    }
    EXPECT_EQ(line.status().stage(), Stage::kArguments) << text;
    const std::string error = line.status().message();
    EXPECT_TRUE(error.starts_with("f:")) << text << " yields " << error;
  }
  EXPECT_GT(accepted, 100) << "the pieces make options often enough";
  EXPECT_LT(accepted, 3'900) << "and mistakes";
}

}  // namespace
}  // namespace mini
