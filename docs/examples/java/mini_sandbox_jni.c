/* MiniSandbox.run() of MiniSandbox.java.
 *
 *   javac MiniSandbox.java Command.java
 *   cc -shared -fPIC -I$JAVA_HOME/include -I$JAVA_HOME/include/linux -I../glue \
 *       -o libmini_sandbox_jni.so mini_sandbox_jni.c ../glue/run_command.c \
 *       $(pkg-config --cflags --libs libmini-sandbox)
 *   java -Djava.library.path=. Command
 */
#include <jni.h>
#include <stdlib.h>
#include <string.h>

#include "run_command.h"

/* Element i as text, for free(); NULL where there is none. What is not of the Basic Multilingual
 * Plane comes in Java's own variant of UTF-8. */
static char* text_at(JNIEnv* env, jobjectArray array, jsize i) {
  if (array == NULL || i >= (*env)->GetArrayLength(env, array)) return NULL;
  jstring string = (*env)->GetObjectArrayElement(env, array, i);
  if (string == NULL) return NULL;
  const char* chars = (*env)->GetStringUTFChars(env, string, NULL);
  char* text = chars != NULL ? strdup(chars) : NULL;
  if (chars != NULL) (*env)->ReleaseStringUTFChars(env, string, chars);
  (*env)->DeleteLocalRef(env, string);
  return text;
}

JNIEXPORT jint JNICALL Java_MiniSandbox_run(JNIEnv* env, jclass unused, jobjectArray settings,
                                            jobjectArray words) {
  (void)unused;
  const jsize setting_count = (*env)->GetArrayLength(env, settings);
  const jsize word_count = (*env)->GetArrayLength(env, words);
  struct setting* given = calloc((size_t)setting_count + 1, sizeof *given);
  char** argv = calloc((size_t)word_count + 1, sizeof *argv);
  if (given == NULL || argv == NULL) abort(); /* as the virtual machine itself does */
  for (jsize i = 0; i < setting_count; ++i) {
    jobjectArray setting = (*env)->GetObjectArrayElement(env, settings, i);
    char* name = text_at(env, setting, 0);
    given[i].name = name != NULL ? name : calloc(1, 1);
    for (int j = 0; j < 2; ++j) given[i].arguments[j] = text_at(env, setting, j + 1);
    (*env)->DeleteLocalRef(env, setting);
  }
  for (jsize i = 0; i < word_count; ++i) argv[i] = text_at(env, words, i);

  int status = 0;
  char* message;
  if (run_command(given, setting_count, (const char* const*)argv, &status, &message) != 0) {
    (*env)->ThrowNew(env, (*env)->FindClass(env, "java/io/IOException"), message ? message : "");
  }
  free(message);
  for (jsize i = 0; i < setting_count; ++i) {
    free((char*)given[i].name);
    for (int j = 0; j < 2; ++j) free((char*)given[i].arguments[j]);
  }
  for (jsize i = 0; i < word_count; ++i) free(argv[i]);
  free(given);
  free(argv);
  return status;
}
