// The only place that sees the JSON library. Without its stream operators: they would bring
// iostream and its start-up into the programs.
#define JSON_NO_IO 1
#include <nlohmann/json.hpp>

#include "doctor/report.h"

namespace mini {
namespace {

const char* StateName(Health health) {
  switch (health) {
    case Health::kWorks:
      return "works";
    case Health::kPartly:
      return "partly";
    case Health::kFails:
      return "fails";
    case Health::kNotTried:
      return "not-tried";
    case Health::kInformation:
      return "information";
  }
  return "unknown";
}

}  // namespace

std::string ReportJson(const Diagnosis& diagnosis) {
  using Json = nlohmann::ordered_json;
  Json report = {{"program", diagnosis.program},
                 {"version", MINI_VERSION},
                 {"ready", diagnosis.Ready()},
                 {"checks", Json::array()}};
  for (const Finding& finding : diagnosis.findings) {
    report["checks"].push_back({{"id", finding.id},
                                {"name", finding.name},
                                {"state", StateName(finding.health)},
                                {"required", finding.required},
                                {"meaning", finding.meaning},
                                {"remedy", finding.remedy}});
  }
  // Paths are bytes, JSON is UTF-8: what is none becomes U+FFFD.
  return report.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mini
