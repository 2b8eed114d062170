/* Every code that a setting can return, each by a process of its own that produces it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

static const char* directory;

/* A path in the directory of the test. */
static const char* in(const char* name) {
  static char paths[4][4096];
  static int next;
  char* path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory, name);
  return path;
}

static int two_modes(void) {
  mini_sandbox_setup_default();
  return mini_sandbox_setup_readonly();
}
static int mode_after_root(void) {
  mini_sandbox_setup_hermetic(directory);
  return mini_sandbox_setup_default();
}
static int root_twice(void) {
  mini_sandbox_setup_hermetic(directory);
  return mini_sandbox_setup_hermetic(directory);
}
static int custom_twice(void) {
  mini_sandbox_setup_custom(NULL, directory);
  return mini_sandbox_setup_custom(NULL, directory);
}
static int default_twice(void) {
  mini_sandbox_setup_default();
  return mini_sandbox_setup_default();
}
static int root_is_a_file(void) { return mini_sandbox_setup_hermetic("/etc/passwd"); }
static int overlays_in_a_file(void) { return mini_sandbox_setup_custom("/etc/passwd", directory); }
static int tmpfs_on_a_file(void) { return mini_sandbox_mount_tmpfs("/etc/passwd"); }
static int working_in_a_file(void) { return mini_sandbox_set_working_dir("/etc/passwd"); }
static int overlay_without_mode(void) { return mini_sandbox_mount_overlay("/usr"); }
static int overlay_in_default_mode(void) {
  mini_sandbox_setup_default();
  return mini_sandbox_mount_overlay("/usr");
}
static int missing(void) { return mini_sandbox_mount_bind(in("missing")); }
static int missing_root(void) { return mini_sandbox_setup_hermetic(in("missing")); }
static int below_a_file(void) { return mini_sandbox_mount_write("/etc/passwd/x"); }
static int output_in_missing(void) {
  return mini_sandbox_mount_empty_output_file(in("missing/file"));
}
static int relative(void) { return mini_sandbox_mount_bind("etc"); }
static int empty_path(void) { return mini_sandbox_mount_write(""); }
static int null_path(void) { return mini_sandbox_mount_write(NULL); }
static int log_twice(void) {
  mini_sandbox_enable_log(in("log"));
  return mini_sandbox_enable_log(in("other"));
}
static int root_in_writable(void) {
  mini_sandbox_mount_write(directory);
  return mini_sandbox_setup_hermetic(in("sub"));
}
static int overlays_in_writable(void) {
  mini_sandbox_mount_write(in("sub"));
  return mini_sandbox_setup_custom(in("sub"), in("root"));
}
static int writable_around_overlays(void) {
  mini_sandbox_setup_custom(in("sub"), in("root"));
  return mini_sandbox_mount_write(directory);
}
static int read_then_write(void) {
  mini_sandbox_mount_bind(in("file"));
  return mini_sandbox_mount_write(in("file"));
}
static int write_then_read(void) {
  mini_sandbox_mount_write(in("file"));
  return mini_sandbox_mount_bind(in("sub/../file"));
}
static int up_from_a_link(void) { return mini_sandbox_mount_write(in("link/..")); }
static int output_above_a_link(void) {
  return mini_sandbox_mount_empty_output_file(in("link/../made"));
}
static int tmp_in_default_mode(void) {
  mini_sandbox_setup_default();
  return mini_sandbox_mount_tmpfs("/tmp");
}
static int default_mode_after_tmp(void) {
  mini_sandbox_mount_write("/tmp");
  return mini_sandbox_setup_default();
}
static int tmp_in_readonly_mode(void) {
  mini_sandbox_setup_readonly();
  return mini_sandbox_mount_tmpfs("/tmp");
}
static int log_in_missing(void) {
  mini_sandbox_enable_log(in("missing/log"));
  mini_sandbox_setup_default();
  return mini_sandbox_start();
}
static int no_memory(void) {
  const size_t size = (size_t)256 << 20;
  char* path = malloc(size);
  const struct rlimit used = {size, size};
  if (path == NULL || setrlimit(RLIMIT_AS, &used) != 0) return 1;
  memset(path, '/', size - 1);
  path[size - 1] = '\0';
  return mini_sandbox_mount_bind(path);
}
/* What has failed changed nothing: the other setting still holds, and the first can be made. */
static int failure_changes_nothing(void) {
  mini_sandbox_setup_custom(NULL, in("missing"));
  if (mini_sandbox_get_last_error_code() != MINI_SANDBOX_NO_SUCH_PATH) return 1;
  return mini_sandbox_setup_default();
}

static const struct {
  const char* name;
  int (*produce)(void);
} kCases[] = {
    {"two modes", two_modes},
    {"mode after root", mode_after_root},
    {"root twice", root_twice},
    {"custom twice", custom_twice},
    {"default twice", default_twice},
    {"root is a file", root_is_a_file},
    {"overlays in a file", overlays_in_a_file},
    {"tmpfs on a file", tmpfs_on_a_file},
    {"working in a file", working_in_a_file},
    {"overlay without mode", overlay_without_mode},
    {"overlay in default mode", overlay_in_default_mode},
    {"missing", missing},
    {"missing root", missing_root},
    {"below a file", below_a_file},
    {"output in missing", output_in_missing},
    {"relative", relative},
    {"empty path", empty_path},
    {"null path", null_path},
    {"log twice", log_twice},
    {"root in writable", root_in_writable},
    {"overlays in writable", overlays_in_writable},
    {"writable around overlays", writable_around_overlays},
    {"read then write", read_then_write},
    {"write then read", write_then_read},
    {"up from a link", up_from_a_link},
    {"output above a link", output_above_a_link},
    {"tmp in default mode", tmp_in_default_mode},
    {"default mode after tmp", default_mode_after_tmp},
    {"tmp in readonly mode", tmp_in_readonly_mode},
    {"log in missing", log_in_missing},
    {"no memory", no_memory},
    {"failure changes nothing", failure_changes_nothing},
};

/* "NAME: CODE (the last error is the same and has words)" */
static void run_case(size_t i) {
  const int code = kCases[i].produce();
  const int told = mini_sandbox_get_last_error_code();
  const char* message = mini_sandbox_get_last_error_msg();
  if (code == 0) {
    printf("%s: 0\n", kCases[i].name);
  } else {
    printf("%s: %d%s%s\n", kCases[i].name, code, told == code ? "" : ", told otherwise",
           *message != '\0' ? "" : ", without words");
  }
}

void codes(const char* test_directory) {
  directory = test_directory;
  printf("at first: %d \"%s\"\n", mini_sandbox_get_last_error_code(),
         mini_sandbox_get_last_error_msg());
  for (size_t i = 0; i < sizeof kCases / sizeof *kCases; ++i) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      run_case(i);
      exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) {
      printf("%s: ended by %d\n", kCases[i].name, status);
    }
  }
}
