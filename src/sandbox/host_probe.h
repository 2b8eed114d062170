// The probe stage of every run: what this policy needs to know about this machine.
#ifndef MINI_SANDBOX_SANDBOX_HOST_PROBE_H_
#define MINI_SANDBOX_SANDBOX_HOST_PROBE_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "child/streams.h"
#include "plan/host_facts.h"
#include "policy/policy.h"
#include "sys/resolver_files.h"

namespace mini {

// `resolver_files` where these have been read already; null: not yet.
Result<HostFacts> ProbeHost(const Policy& policy, const ResolverFiles* resolver_files = nullptr);

// A directory among the standard streams is a way around the mount namespace: openat(2) relative to
// it reaches the host's files.
Status CheckStandardStreams(const child::StandardStreams& streams);

// The sources of -w: where an earlier command may have left symlinks (OpenLogFile()).
std::vector<std::string> WritablePaths(const Policy& policy);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_HOST_PROBE_H_
