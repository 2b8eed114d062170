import java.io.IOException;

/** Commands in sandboxes of their own, by libmini-sandbox. */
final class MiniSandbox {
  static {
    System.loadLibrary("mini_sandbox_jni");
  }

  private MiniSandbox() {}

  /**
   * Runs the command with this program's standard streams, and waits for it; other threads go on.
   *
   * @param settings a name as in mini_sandbox_object_NAME, and its arguments, each
   * @return what waitpid(2) says of the command
   */
  static native int run(String[][] settings, String... words) throws IOException;
}
