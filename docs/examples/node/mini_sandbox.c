/* run(SETTINGS, ARGV): a promise of what waitpid(2) says of the command.
 *
 *   cc -shared -fPIC -I/usr/include/node -I../glue -o mini_sandbox.node mini_sandbox.c \
 *       ../glue/run_command.c $(pkg-config --cflags --libs libmini-sandbox)
 */
#include <node_api.h>
#include <stdlib.h>

#include "run_command.h"

struct job {
  struct setting* settings;
  char** argv;
  uint32_t setting_count;
  int code, status;
  char* message;
  napi_deferred deferred;
  napi_async_work work;
};

static uint32_t length_of(napi_env env, napi_value array) {
  uint32_t length = 0;
  napi_get_array_length(env, array, &length); /* 0 where it is none */
  return length;
}

/* Element i as text, for free(); NULL where there is none. */
static char* text_at(napi_env env, napi_value array, uint32_t i) {
  napi_value element;
  size_t size;
  if (i >= length_of(env, array) || napi_get_element(env, array, i, &element) != napi_ok ||
      napi_coerce_to_string(env, element, &element) != napi_ok ||
      napi_get_value_string_utf8(env, element, NULL, 0, &size) != napi_ok) {
    return NULL;
  }
  char* text = malloc(size + 1);
  if (text != NULL) napi_get_value_string_utf8(env, element, text, size + 1, &size);
  return text;
}

static void run_on_a_thread(napi_env env, void* data) {
  struct job* job = data;
  (void)env;
  job->code = run_command(job->settings, (int)job->setting_count, (const char* const*)job->argv,
                          &job->status, &job->message);
}

static void settle(napi_env env, napi_status unused, void* data) {
  struct job* job = data;
  napi_value result;
  (void)unused;
  if (job->code == 0) {
    napi_create_int32(env, job->status, &result);
    napi_resolve_deferred(env, job->deferred, result);
  } else {
    napi_create_string_utf8(env, job->message ? job->message : "", NAPI_AUTO_LENGTH, &result);
    napi_create_error(env, NULL, result, &result);
    napi_reject_deferred(env, job->deferred, result);
  }
  napi_delete_async_work(env, job->work);
  for (uint32_t i = 0; i < job->setting_count; ++i) {
    free((char*)job->settings[i].name);
    for (int j = 0; j < 2; ++j) free((char*)job->settings[i].arguments[j]);
  }
  for (char** word = job->argv; *word != NULL; ++word) free(*word);
  free(job->settings);
  free(job->argv);
  free(job->message);
  free(job);
}

static napi_value run(napi_env env, napi_callback_info info) {
  napi_value arguments[2], setting, name, promise;
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  struct job* job = calloc(1, sizeof *job);
  const uint32_t words = length_of(env, arguments[1]);
  if (job != NULL) job->setting_count = length_of(env, arguments[0]);
  if (job != NULL) job->settings = calloc(job->setting_count + 1, sizeof *job->settings);
  if (job != NULL) job->argv = calloc(words + 1, sizeof *job->argv);
  if (job == NULL || job->settings == NULL || job->argv == NULL) abort(); /* as node itself does */
  for (uint32_t i = 0; i < job->setting_count; ++i) {
    napi_get_element(env, arguments[0], i, &setting);
    char* text = text_at(env, setting, 0);
    job->settings[i].name = text != NULL ? text : calloc(1, 1);
    for (uint32_t j = 0; j < 2; ++j) job->settings[i].arguments[j] = text_at(env, setting, j + 1);
  }
  for (uint32_t i = 0; i < words; ++i) job->argv[i] = text_at(env, arguments[1], i);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "mini_sandbox", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, run_on_a_thread, settle, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, NULL, &function);
  napi_set_named_property(env, exports, "run", function);
  return exports;
}
