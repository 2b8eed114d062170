// What the doctor found, and the two ways to say it. Pure: values in, text out.
#ifndef MINI_SANDBOX_DOCTOR_REPORT_H_
#define MINI_SANDBOX_DOCTOR_REPORT_H_

#include <string>
#include <string_view>
#include <vector>

namespace mini {

enum class Health {
  kWorks,
  kPartly,       // it works, but less well than on other machines
  kFails,        // it does not work here
  kNotTried,     // something that it rests on does not work
  kInformation,  // neither good nor bad
};

// "works", "works partly", "does not work", "not tried", "-"
std::string_view HealthText(Health health);

struct Finding {
  std::string id;    // for programs: "user-namespaces"; does not change between versions
  std::string name;  // for people, at most 17 characters
  Health health = Health::kInformation;
  bool required = false;                 // without it the default mode does not run
  std::string meaning = {};              // a sentence or two
  std::vector<std::string> remedy = {};  // lines to type or to copy, in order; "#" begins a comment
};

// The finding about all of it together; the last one.
inline constexpr const char* kWholeRun = "default-mode";

struct Diagnosis {
  std::string program;  // "mini-sandbox"
  std::vector<Finding> findings;

  // Whether all that is required works, as far as the default mode needs it.
  bool Ready() const;
};

// A table, the remedies below it, and a last line that says which it is. The lines are at most 80
// columns wide, but for those that are to be copied.
std::string ReportText(const Diagnosis& diagnosis);

// {"program": ..., "version": ..., "ready": ..., "checks": [{"id": ..., "name": ..., "state": ...,
// "required": ..., "meaning": ..., "remedy": [...]}]}; the states are "works", "partly", "fails",
// "not-tried" and "information".
std::string ReportJson(const Diagnosis& diagnosis);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_REPORT_H_
