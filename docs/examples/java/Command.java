import java.io.IOException;
import java.util.concurrent.CompletableFuture;

/** Two commands at once, each in a sandbox of its own, while this program goes on. */
final class Command {
  private static String run(String[][] settings, String... words) {
    try {
      int status = MiniSandbox.run(settings, words);
      return (status & 127) != 0 ? "signal " + (status & 127) : "exit code " + (status >> 8);
    } catch (IOException error) {
      return error.getMessage();
    }
  }

  public static void main(String[] arguments) {
    String script = "touch /usr/local/planted 2>/dev/null || echo refused; exit 5";
    String[][] inDefaultMode = {{"setup_default"}};
    String[][] writable = {{"setup_default"}, {"mount_write", System.getProperty("user.dir")}};
    var first = CompletableFuture.supplyAsync(() -> run(inDefaultMode, "sh", "-c", script));
    var second = CompletableFuture.supplyAsync(
        () -> run(writable, "sh", "-c", "echo done >result; kill -TERM $$"));
    System.out.println(first.join());
    System.out.println(second.join());
    System.out.println(run(new String[][] {{"mount_bind", "etc"}}, "true"));
  }
}
