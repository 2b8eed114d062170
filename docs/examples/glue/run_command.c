#include "run_command.h"

#include <mini_sandbox.h>
#include <stdlib.h>
#include <string.h>

/* Which of these there are depends on the library: the others are NULL. */
#pragma weak mini_sandbox_object_share_network
#pragma weak mini_sandbox_object_allow_connections
#pragma weak mini_sandbox_object_allow_rule
#pragma weak mini_sandbox_object_allow_domain
#pragma weak mini_sandbox_object_allow_all_domains
#pragma weak mini_sandbox_object_allow_max_connections
#pragma weak mini_sandbox_object_allow_ipv4
#pragma weak mini_sandbox_object_allow_ipv6
#pragma weak mini_sandbox_object_allow_ipv4_subnet
#pragma weak mini_sandbox_object_allow_ipv6_subnet

static const struct {
  const char* name;
  int (*set)(mini_sandbox_t*);
} kPlain[] = {
    {"setup_default", mini_sandbox_object_setup_default},
    {"setup_readonly", mini_sandbox_object_setup_readonly},
    {"mount_parents_write", mini_sandbox_object_mount_parents_write},
    {"share_network", mini_sandbox_object_share_network},
    {"allow_all_domains", mini_sandbox_object_allow_all_domains},
};

static const struct {
  const char* name;
  int (*set)(mini_sandbox_t*, const char*);
} kWithText[] = {
    {"setup_hermetic", mini_sandbox_object_setup_hermetic},
    {"mount_bind", mini_sandbox_object_mount_bind},
    {"mount_write", mini_sandbox_object_mount_write},
    {"mount_tmpfs", mini_sandbox_object_mount_tmpfs},
    {"mount_overlay", mini_sandbox_object_mount_overlay},
    {"mount_empty_output_file", mini_sandbox_object_mount_empty_output_file},
    {"set_working_dir", mini_sandbox_object_set_working_dir},
    {"enable_log", mini_sandbox_object_enable_log},
    {"allow_connections", mini_sandbox_object_allow_connections},
    {"allow_rule", mini_sandbox_object_allow_rule},
    {"allow_domain", mini_sandbox_object_allow_domain},
    {"allow_ipv4", mini_sandbox_object_allow_ipv4},
    {"allow_ipv6", mini_sandbox_object_allow_ipv6},
    {"allow_ipv4_subnet", mini_sandbox_object_allow_ipv4_subnet},
    {"allow_ipv6_subnet", mini_sandbox_object_allow_ipv6_subnet},
};

/* In place of a code of the library's. */
enum { kNoSuchSetting = 1, kNoMemory };

static int apply(mini_sandbox_t* sandbox, const struct setting* setting) {
  const char* const* arguments = setting->arguments;
  for (size_t i = 0; i < sizeof kPlain / sizeof *kPlain; ++i) {
    if (kPlain[i].set != NULL && strcmp(setting->name, kPlain[i].name) == 0) {
      return kPlain[i].set(sandbox);
    }
  }
  for (size_t i = 0; i < sizeof kWithText / sizeof *kWithText; ++i) {
    if (kWithText[i].set != NULL && strcmp(setting->name, kWithText[i].name) == 0) {
      return kWithText[i].set(sandbox, arguments[0]);
    }
  }
  if (strcmp(setting->name, "setup_custom") == 0) {
    return mini_sandbox_object_setup_custom(sandbox, arguments[0], arguments[1]);
  }
  if (mini_sandbox_object_allow_max_connections != NULL &&
      strcmp(setting->name, "allow_max_connections") == 0) {
    return mini_sandbox_object_allow_max_connections(sandbox,
                                                     arguments[0] ? atoi(arguments[0]) : 0);
  }
  return kNoSuchSetting;
}

int run_command(const struct setting* settings, int count, const char* const* argv, int* status,
                char** message) {
  mini_sandbox_t* sandbox = mini_sandbox_new();
  mini_sandbox_process_t* process = NULL;
  int code = sandbox != NULL ? 0 : kNoMemory;
  for (int i = 0; i < count && code == 0; ++i) code = apply(sandbox, &settings[i]);
  if (code == 0) {
    const struct mini_sandbox_command command = {
        .size = sizeof command, .argv = argv, .stdio = {0, 1, 2}};
    code = mini_sandbox_spawn(sandbox, &command, &process);
  }
  if (code == 0) code = mini_sandbox_wait(process, -1, status);
  *message = NULL;
  if (code != 0) {
    *message = strdup(code == kNoSuchSetting ? "this library has no such setting"
                      : code == kNoMemory    ? "there is no memory"
                                             : mini_sandbox_get_last_error_msg());
  }
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
  return code;
}
