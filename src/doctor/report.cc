#include "doctor/report.h"

#include <algorithm>

#include "base/strings.h"

namespace mini {
namespace {

constexpr size_t kLineWidth = 80;
constexpr size_t kNameWidth = 19;
constexpr size_t kHealthWidth = 15;

std::string Padded(std::string_view text, size_t width) {
  std::string padded(text);
  padded.resize(std::max(width, text.size() + 1), ' ');
  return padded;
}

// Broken between words; a word that is wider than the column stands on a line of its own.
std::vector<std::string> Wrapped(std::string_view text, size_t width) {
  std::vector<std::string> lines = {""};
  for (const std::string_view word : StrSplit(text, ' ')) {
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (line.size() + 1 + word.size() <= width) {
      line += StrCat(" ", word);
    } else {
      lines.emplace_back(word);
    }
  }
  return lines;
}

std::string Row(const Finding& finding) {
  constexpr size_t kMeaningColumn = kNameWidth + kHealthWidth;
  std::string row = Padded(finding.name, kNameWidth);
  row += Padded(HealthText(finding.health), kHealthWidth);
  std::string indentation;
  for (const std::string& line : Wrapped(finding.meaning, kLineWidth - kMeaningColumn)) {
    row += StrCat(indentation, line, "\n");
    indentation.assign(kMeaningColumn, ' ');
  }
  return row;
}

// One remedy often mends several things, and is then said once.
std::string Remedies(const std::vector<Finding>& findings) {
  std::string text;
  std::vector<std::vector<std::string>> said = {{}};
  for (const Finding& finding : findings) {
    if (std::find(said.begin(), said.end(), finding.remedy) != said.end()) continue;
    said.push_back(finding.remedy);
    text += StrCat(text.empty() ? "\nWhat helps\n\n" : "\n", finding.name, ":\n");
    for (const std::string& line : finding.remedy) text += StrCat("    ", line, "\n");
  }
  return text;
}

bool Hinders(const Finding& finding) {
  return finding.required && finding.health == Health::kFails;
}

std::string Verdict(const Diagnosis& diagnosis) {
  if (diagnosis.Ready()) return StrCat("\n", diagnosis.program, " -x works on this machine.\n");
  std::string reasons;
  for (const Finding& finding : diagnosis.findings) {
    // That the whole does not work is no reason where one is known.
    if (finding.id == kWholeRun && !reasons.empty()) continue;
    if (Hinders(finding)) reasons += StrCat(reasons.empty() ? "" : ", ", finding.name);
  }
  std::string text = "\n";
  const std::string verdict =
      StrCat(diagnosis.program, " -x does not work on this machine: ", reasons, ".");
  for (const std::string& line : Wrapped(verdict, kLineWidth)) text += StrCat(line, "\n");
  return text;
}

}  // namespace

std::string_view HealthText(Health health) {
  switch (health) {
    case Health::kWorks:
      return "works";
    case Health::kPartly:
      return "works partly";
    case Health::kFails:
      return "does not work";
    case Health::kNotTried:
      return "not tried";
    case Health::kInformation:
      return "-";
  }
  return "unknown";
}

bool Diagnosis::Ready() const { return std::none_of(findings.begin(), findings.end(), Hinders); }

std::string ReportText(const Diagnosis& diagnosis) {
  std::string text;
  for (const Finding& finding : diagnosis.findings) text += Row(finding);
  return text + Remedies(diagnosis.findings) + Verdict(diagnosis);
}

}  // namespace mini
