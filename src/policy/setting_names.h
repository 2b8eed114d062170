// What messages call a setting: by the name that whoever made it knows.
#ifndef MINI_SANDBOX_POLICY_SETTING_NAMES_H_
#define MINI_SANDBOX_POLICY_SETTING_NAMES_H_

#include <string_view>

namespace mini {

struct SettingNames {
  std::string_view default_mode;
  std::string_view custom_mode;
  std::string_view hermetic_mode;
  std::string_view read_only;
  std::string_view writable;
  std::string_view overlay;
  std::string_view empty_directory;
  std::string_view scratch_directory;
  std::string_view working_directory;
};

// Of the command line.
inline constexpr SettingNames kOptionNames = {.default_mode = "-x",
                                              .custom_mode = "-o",
                                              .hermetic_mode = "-h",
                                              .read_only = "-M",
                                              .writable = "-w",
                                              .overlay = "-k",
                                              .empty_directory = "-e",
                                              .scratch_directory = "-d",
                                              .working_directory = "-W"};

// Of the C API, for an object's settings, too.
inline constexpr SettingNames kFunctionNames = {
    .default_mode = "mini_sandbox_setup_default",
    .custom_mode = "mini_sandbox_setup_custom",
    .hermetic_mode = "mini_sandbox_setup_hermetic",
    .read_only = "mini_sandbox_mount_bind",
    .writable = "mini_sandbox_mount_write",
    .overlay = "mini_sandbox_mount_overlay",
    .empty_directory = "mini_sandbox_mount_tmpfs",
    .scratch_directory = "overlay_dir",
    .working_directory = "mini_sandbox_set_working_dir"};

}  // namespace mini

#endif  // MINI_SANDBOX_POLICY_SETTING_NAMES_H_
