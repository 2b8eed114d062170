#include "sandbox/stack_options.h"

#include <limits.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "netstack/dns/host_config.h"
#include "sandbox/publish_ports.h"
#include "supervise/debug_log.h"
#include "sys/host_network.h"
#include "sys/resolver_files.h"
#include "sys/resolver_watch.h"

namespace mini {
namespace {

netstack::ResolverConfig ResolverConfigOf(std::string_view resolv_conf, std::string_view hosts) {
  netstack::ResolverConfig config = netstack::ParseResolvConf(resolv_conf);
  config.hosts = netstack::ParseHosts(hosts);
  return config;
}

// Empty where it is no name that anybody could ask for.
std::string NameOfThisHost() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (gethostname(name.data(), name.size()) != 0) return "";
  name.back() = '\0';
  return netstack::NormalizeName(name.data()).value_or("");
}

// To open them later the stack has to be left the directories that they lie in, for reading. What
// an ordinary user can read in /etc is no secret of theirs; what root can read is.
bool MayFollowResolverFiles() { return geteuid() != 0; }

Result<netstack::FilterOptions> MakeFilterOptions(const StackRequest& request,
                                                  const std::shared_ptr<HostNetwork>& network) {
  netstack::FilterOptions filter;
  filter.rules = std::move(request.policy.rules);
  filter.strict_names = request.policy.server_names == ServerNames::kRequired;
  MINI_ASSIGN_OR_RETURN(filter.host_addresses, network->ReadAddresses());
  filter.leads_to_this_host = [network](const IpAddress& address) {
    return network->LeadsToThisHost(address);
  };
  filter.counts_refusals = request.counts_refusals;
  if (request.log) {
    filter.on_refusal = [log = request.log](const netstack::RefusalEvent& event) {
      log->Write("verdict", event.ToString());
    };
    filter.on_unnamed = [log = request.log](const netstack::UnnamedEvent& event) {
      log->Write("names", event.ToString());
    };
  }
  return filter;
}

Result<netstack::ResolverConfig> MakeResolverConfig(const StackRequest& request,
                                                    const std::shared_ptr<HostNetwork>& network) {
  ResolverFiles files;
  if (request.resolver_files) {
    files = *request.resolver_files;
  } else {
    MINI_ASSIGN_OR_RETURN(files, ReadResolverFiles());
  }
  netstack::ResolverConfig resolver = ResolverConfigOf(files.resolv_conf, files.hosts);
  resolver.interface_index = [network](const std::string& interface) {
    return network->IndexOfInterface(interface);
  };
  if (request.policy.host_name == HostName::kOfHost) resolver.own_name = NameOfThisHost();
  if (!MayFollowResolverFiles()) return resolver;
  const auto watch =
      std::make_shared<ResolverWatch>(std::move(files.resolv_conf), std::move(files.hosts));
  resolver.reread = [watch]() -> std::optional<netstack::ResolverConfig> {
    if (!watch->ReadIfChanged()) return std::nullopt;
    return ResolverConfigOf(watch->resolv_conf(), watch->hosts());
  };
  return resolver;
}

}  // namespace

std::vector<std::string> FilesOfTheResolver() {
  return MayFollowResolverFiles() ? ResolverWatch::Paths() : std::vector<std::string>();
}

Result<netstack::StackOptions> MakeStackOptions(const StackRequest& request, StackVoice& voice) {
  netstack::StackOptions options;
  // An answer to who asked for any port, and not a notice: -q leaves it.
  const auto on_port = [&voice](std::string_view sentence) { voice.Problem(sentence); };
  MINI_ASSIGN_OR_RETURN(options.inbound, PublishPorts(request.policy.published, on_port));
  options.on_notice = [&voice](std::string_view sentence) { voice.Notice(sentence); };
  options.inbound.on_notice = options.on_notice;
  // Opened here, in the host's network namespace, and before the process confines itself.
  MINI_ASSIGN_OR_RETURN(const std::shared_ptr<HostNetwork> network, HostNetwork::Open());
  MINI_ASSIGN_OR_RETURN(options.filter, MakeFilterOptions(request, network));
  if (request.policy.max_connections) options.limits.max_flows = *request.policy.max_connections;
  options.verdict_log.reset(request.verdict_log);
  options.may_lose_verdicts = request.may_lose_verdicts;
  if (options.verdict_log) options.log_pid = getppid();
  MINI_ASSIGN_OR_RETURN(options.resolver, MakeResolverConfig(request, network));
  options.filter.search_domains = options.resolver.search;
  return options;
}

}  // namespace mini
