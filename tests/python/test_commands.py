"""Sandbox.run() and Sandbox.spawn(): commands in sandboxes of their own."""

import os
import signal

import harness

PREAMBLE = """
import os, subprocess, sys, threading, time
from pyminisandbox import *

def descriptors():
    return sorted(os.listdir("/proc/self/fd"), key=int)
"""


class CommandTest(harness.ProgramTest):
    def program(self, text, *arguments, **more):
        return super().program(text, *arguments, **{"preamble": PREAMBLE, **more})


class Run(CommandTest):
    def test_is_like_that_of_subprocess(self):
        self.assertEqual(self.program("""
            for run in (subprocess.run, Sandbox().run):
                print(run(["sh", "-c", "cat; echo two >&2; exit 3"], input="one\\n",
                          capture_output=True, text=True))
                print(run(["sh", "-c", "echo one; echo two >&2"], stdout=PIPE, stderr=STDOUT))
                print(run(["sh", "-c", "kill -KILL $$"]).returncode)
                print(run(["cat"], stdin=DEVNULL, stdout=PIPE, encoding="latin-1").stdout == "")
                print(run(["printf", "a\\\\r\\\\nb"], stdout=PIPE, text=True).stdout == "a\\nb")
                print(run("true").returncode, run(["false"]).returncode)
                try:
                    run(["sh", "-c", "echo out; exit 4"], check=True, stdout=PIPE)
                except subprocess.CalledProcessError as error:
                    print(error, error.stdout)
                try:
                    run(["sh", "-c", "echo out; exec sleep 60"], timeout=0.8, stdout=PIPE)
                except subprocess.TimeoutExpired as error:
                    print(error, error.stdout)
                for arguments in ({"input": b"", "stdin": PIPE},
                                  {"capture_output": True, "stderr": PIPE}, {"stdin": STDOUT}):
                    try:
                        run(["true"], **arguments)
                    except ValueError: print("ValueError")
                    except OSError: print("ValueError")  # subprocess, of stdin=STDOUT
            """), [
            "CompletedProcess(args=['sh', '-c', 'cat; echo two >&2; exit 3'], returncode=3, "
            "stdout='one\\n', stderr='two\\n')",
            "CompletedProcess(args=['sh', '-c', 'echo one; echo two >&2'], returncode=0, "
            "stdout=b'one\\ntwo\\n')",
            "-9", "True", "True", "0 1",
            "Command '['sh', '-c', 'echo out; exit 4']' returned non-zero exit status 4. "
            "b'out\\n'",
            "Command '['sh', '-c', 'echo out; exec sleep 60']' timed out after 0.8 seconds "
            "b'out\\n'",
            "ValueError", "ValueError", "ValueError"] * 2)

    def test_tells_what_is_not_there_or_cannot_be_executed_by_the_exit_code(self):
        self.assertEqual(self.program("""
            print(Sandbox().run(["no-such-command"]).returncode,
                  Sandbox().run(["/etc/passwd"]).returncode)
            """), ["127 126"])

    def test_carries_much_both_ways_at_once(self):
        self.assertEqual(self.program("""
            data = os.urandom(3_000_000)
            print(Sandbox().run(["cat"], input=data, stdout=PIPE).stdout == data)
            done = Sandbox().run(["sh", "-c", "cat >&2; head -c 1000000 /dev/zero"], input=data,
                                 capture_output=True)
            print(done.stderr == data, done.stdout == bytes(1000000))
            print(Sandbox().run(["true"], input=data).returncode)  # which reads none of it
            """), ["True", "True True", "0"])

    def test_confines_the_command_by_what_the_object_says(self):
        for name in ("readable", "writable"):
            (self.place / name).mkdir()
        (self.place / "readable/file").write_text("text\n")
        script = ("cat ../readable/file; touch ../readable/new 2>/dev/null || echo read-only; "
                  "touch ../writable/new ../beside; ls -A /usr/local")
        self.assertEqual(self.program("""
            sandbox = Sandbox(readable=["../readable"], writable="../writable", empty="/usr/local")
            sandbox.run(["sh", "-c", sys.argv[1]])
            """, script), ["text", "read-only"])
        self.assertEqual(sorted(path.name for path in self.place.iterdir()),
                         ["readable", "work", "writable"])
        self.assertEqual(os.listdir(self.place / "writable"), ["new"])
        self.assertEqual(os.listdir(self.place / "readable"), ["file"])

    def test_has_every_mode(self):
        root = self.place / "root"
        root.mkdir()
        (self.place / "keep").mkdir()
        self.assertEqual(self.program("""
            places = ["/usr", "/bin", "/lib", "/lib64"]
            for sandbox in (Sandbox(), Sandbox(mode="readonly"),
                            Sandbox(mode="hermetic", root="../root", readable=places),
                            Sandbox(mode="custom", root="../root", readable=places,
                                    overlays="../keep", overlay_directory="../root")):
                done = sandbox.run(["sh", "-c", "ls -d /etc/passwd 2>&1; echo $HOME/* ; "
                                    "touch $1/new && echo new", "sh", os.path.realpath("../keep")],
                                   stdout=PIPE, stderr=DEVNULL, text=True, env={"HOME": "/root"},
                                   cwd="/usr")
                print(done.stdout.split("\\n")[0].rpartition("/etc")[2], "new" in done.stdout)
            """), ["/passwd False", "/passwd False",
                   "/passwd': No such file or directory False",
                   "/passwd': No such file or directory True"])
        self.assertEqual(os.listdir(self.place / "keep"), [])

    def test_hands_on_the_environment_without_secrets_or_the_one_given(self):
        self.assertEqual(self.program("""
            show = ["sh", "-c", 'echo "${A-unset} ${AWS_SECRET_ACCESS_KEY-unset} ${HOME-unset}"']
            os.environ.update(A="a", AWS_SECRET_ACCESS_KEY="s", HOME="/h")
            Sandbox().run(show)
            Sandbox().run(show, env={"AWS_SECRET_ACCESS_KEY": "s", b"PATH": "/bin"})
            try:
                Sandbox().run(show, env={"A=B": "c"})
            except ValueError as error:
                print(error)
            """), ["a unset /h", "unset s unset", "illegal environment variable name"])

    def test_takes_its_working_directory_from_the_call_the_object_or_the_program(self):
        (self.work / "a").mkdir()
        (self.work / "b").mkdir()
        self.assertEqual(self.program("""
            sandbox = Sandbox(working_directory="a")
            for arguments in ({}, {"cwd": "b"}):
                print(os.path.relpath(sandbox.run(["pwd"], stdout=PIPE, text=True,
                                                  **arguments).stdout.strip()))
            print(os.path.relpath(Sandbox().run(["pwd"], stdout=PIPE, text=True).stdout.strip()))
            """), ["a", "b", "."])

    def test_hands_on_no_descriptor_and_keeps_none(self):
        self.assertEqual(self.program("""
            secret = os.open("/etc/passwd", os.O_RDONLY)
            os.set_inheritable(secret, True)
            sandbox = Sandbox()
            sandbox.run(["true"])  # the library keeps one for its program
            before = descriptors()
            print(sandbox.run(["sh", "-c", "echo /proc/self/fd/*"], capture_output=True,
                              text=True).stdout.count("/proc/self/fd"))
            for _ in range(3):
                sandbox.run(["cat"], input=b"x", capture_output=True)
            try:
                sandbox.run(["true"], stdout=PIPE, cwd="/no/such")
            except SettingError as error:
                print(error)
            print(descriptors() == before)
            """), ["4", "/no/such: no such file or directory (PATH_DOES_NOT_EXIST, -5)", "True"])

    def test_does_without_streams_that_the_program_has_closed(self):
        self.assertEqual(self.program("""
            os.close(0)
            print(Sandbox().run(["cat"], stdout=PIPE))
            """), ["CompletedProcess(args=['cat'], returncode=0, stdout=b'')"])

    def test_runs_beside_other_threads_and_other_runs(self):
        self.assertEqual(self.program("""
            sandbox, results = Sandbox(), []
            start = threading.Barrier(11)

            def work(number):
                start.wait()
                done = sandbox.run(["sh", "-c", "read word; echo $word"], input=f"{number}\\n",
                                   stdout=PIPE, text=True)
                results.append(int(done.stdout))

            threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
            for thread in threads: thread.start()
            start.wait()
            for thread in threads: thread.join()
            print(sorted(results))

            """), ["[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"])

    def test_lets_an_event_loop_go_on(self):
        self.assertEqual(self.program("""
            import asyncio

            async def main():
                loop, sandbox = asyncio.get_running_loop(), Sandbox()
                run = lambda word: sandbox.run(["echo", word], stdout=PIPE, text=True).stdout
                print(await asyncio.gather(*(loop.run_in_executor(None, run, word)
                                             for word in ("one", "two"))))

            asyncio.run(main())
            """), ["['one\\n', 'two\\n']"])

    def test_ends_the_sandbox_when_the_program_is_interrupted(self):
        process = self.start_program("""
            from pyminisandbox import Sandbox
            Sandbox().run(["sh", "-c", "echo ready; exec sleep 60"])
            """, start_new_session=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGINT)
        # It ends when the command has ended, which has the same pipe.
        _, err = process.communicate(timeout=harness.TIMEOUT)
        self.assertIn("KeyboardInterrupt", err)
        self.assertEqual(process.returncode, -signal.SIGINT)


class Spawn(CommandTest):
    once = True

    def test_streams_both_ways(self):
        self.assertEqual(self.program("""
            with Sandbox().spawn(["cat"], stdin=PIPE, stdout=PIPE, text=True) as process:
                for word in ("one", "two"):
                    print(word, file=process.stdin)
                    print(process.stdout.readline().strip(), process.poll())
                process.stdin.close()
                print(process.wait(), repr(process.stdout.read()))
            print(process.returncode, process.poll(), process.wait())
            """), ["one None", "two None", "0 ''", "0 0 0"])

    def test_tells_the_end_of_a_wait_and_loses_nothing(self):
        self.assertEqual(self.program("""
            process = Sandbox().spawn(["sh", "-c", "echo one; sleep 1; cat"], stdin=PIPE,
                                      stdout=PIPE, text=True)
            for wait in (process.wait, lambda timeout: process.communicate("two", timeout)):
                try:
                    wait(timeout=0.1)
                except subprocess.TimeoutExpired as error:
                    print(error.timeout)
            print(process.communicate())
            """), ["0.1", "0.1", "('one\\ntwo', None)"])

    def test_sends_signals_and_none_after_the_end(self):
        self.assertEqual(self.program("""
            script = "trap 'echo caught; exit 5' USR1; echo ready; while :; do sleep 0.01; done"
            process = Sandbox().spawn(["sh", "-c", script], stdout=PIPE, text=True)
            print(process.stdout.readline().strip())
            process.send_signal(10)
            print(process.communicate()[0].strip(), process.returncode)
            process.kill()
            process = Sandbox().spawn(["sleep", "60"])
            process.terminate()
            print(process.wait())
            try:
                process = Sandbox().spawn(["sleep", "60"])
                process.send_signal(999)
            except SettingError as error:
                print(error.code.name)
            process.kill()
            print(process.wait())
            """), ["ready", "caught 5", "-15", "INVALID_ARGUMENT", "-9"])

    def test_ends_with_its_block_when_that_fails_and_when_it_is_dropped(self):
        self.assertEqual(self.program("""
            import gc, warnings
            reader, writer = os.pipe()
            try:
                with Sandbox().spawn(["sleep", "60"], stdout=writer) as process:
                    raise KeyError("mine")
            except KeyError as error:
                print(error, process.returncode)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                process = Sandbox().spawn(["sleep", "60"], stdout=writer)
                del process
                gc.collect()
                print([warning.category.__name__ for warning in caught])
                caught.clear()  # which keeps it
            os.close(writer)
            print(os.read(reader, 1))  # nobody else has it
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                print("no child")
            """), ["'mine' -9", "['ResourceWarning']", "b''", "no child"])

    def test_says_so_when_it_is_closed(self):
        self.assertEqual(self.program("""
            process = Sandbox().spawn(["sleep", "60"])
            process.close()
            process.close()
            for call in (process.wait, process.poll, process.kill, process.events):
                try:
                    call()
                except ValueError as error:
                    print(error)
            """), ["the process is closed"] * 4)

    def test_goes_on_in_a_program_that_forks(self):
        self.assertEqual(self.program("""
            process = Sandbox().spawn(["cat"], stdin=PIPE, stdout=PIPE)
            child = os.fork()
            if child == 0:
                process.close()
                os._exit(0)
            print(os.waitpid(child, 0)[1], process.poll())
            print(process.communicate(b"text"))
            """), ["0 None", "(b'text', None)"])

    def test_goes_on_when_the_program_ends(self):
        (their_input, our_output), (our_input, their_output) = os.pipe(), os.pipe()
        self.program("""
            process = Sandbox().spawn(["sh", "-c", "read line; echo $line"], stderr=DEVNULL,
                                      stdin=int(sys.argv[1]), stdout=int(sys.argv[2]))
            """, str(their_input), str(their_output), pass_fds=(their_input, their_output))
        os.close(their_input)
        os.close(their_output)
        with open(our_output, "w", encoding="utf-8") as file:
            file.write("gone on\n")
        with open(our_input, encoding="utf-8") as file:
            self.assertEqual(file.read(), "gone on\n")


class Mistakes(CommandTest):
    once = True

    def test_are_exceptions_that_say_what_is_wrong(self):
        (self.work / "file").touch()
        self.assertEqual(self.program("""
            for arguments in ({"mode": "open"}, {"mode": "custom"}, {"root": "/srv"},
                              {"overlay_directory": "/srv"}, {"overlays": "/usr"},
                              {"readable": ["/usr", "no/such"]}, {"writable": ""},
                              {"empty": "file"}, {"max_connections": 3},
                              {"share_network": True, "allow": []}):
                try:
                    Sandbox(**arguments)
                except SettingError as error:
                    print(error.code.name, isinstance(error, ValueError))
            try:
                Sandbox(mode="custom", root=".", overlays="file").run(["true"])
            except SetupError as error:
                print(error.code.name, "not a directory" in error.message)
            try:
                Sandbox().run([])
            except SettingError as error:
                print(error)
            for words, env in ((["true", None], None), (["true"], {"NAME": None})):
                try:
                    Sandbox().run(words, env=env)  # not with what comes before None alone
                except TypeError as error:
                    print(error)
            """), ["INVALID_ARG True"] * 4 + ["OVERLAY_OPTION_NOT_SET True",
            "PATH_DOES_NOT_EXIST True", "NOT_AN_ABSOLUTE_PATH True", "INVALID_FOLDER True",
            "INVALID_ARG True", "ILLEGAL_NETWORK_CONFIGURATION True", "GENERAL_OS_ERROR True",
            "the command has no name (INVALID_ARGUMENT, -12)",
            *["expected str, bytes or os.PathLike object, not NoneType"] * 2])


    def test_are_named_by_the_keyword(self):
        (self.work / "file").touch()
        self.assertEqual(self.program("""
            for arguments in ({"writable": 3}, {"readable": [None]}, {"allow": 443},
                              {"allow": "a", "max_connections": "3"}, {"allow": ["a", "b:x"]},
                              {"allow": "a", "allow_public": True}, {"empty": "/dev"},
                              {"writable": "/sys"}, {"mode": "custom", "root": ".",
                                                     "overlays": "file"},
                              {"mode": "custom", "root": ".", "overlay_directory": "/proc"},
                              {"mode": "hermetic", "root": ".", "working_directory": "/srv"}):
                try:
                    Sandbox(**arguments).run(["true"])
                except (TypeError, SandboxError) as error:
                    print(str(error).replace(os.getcwd(), "HERE"))
            """), [
            *[f"{keyword}: expected str, bytes or os.PathLike object, or a list of them, not {kind}"
              for keyword, kind in (("writable", "int"), ("readable", "NoneType"),
                                    ("allow", "int"))],
            "max_connections: expected int, not str",
            'allow:2:3: expected a port, ports A-B, a comma list or *, found "x" '
            '(INVALID_ARGUMENT, -12)',
            "allow_public, or rules in its place: not both (ILLEGAL_NETWORK_CONFIGURATION, -10)",
            *[f"{message} (GENERAL_OS_ERROR, -100)" for message in (
                "empty /dev: the sandbox has a /dev of its own",
                "writable /sys: what is in /sys belongs to the whole machine",
                "overlays HERE/file: not a directory, so it cannot be overlaid; readable shows it",
                "overlay_directory /proc is not on a disk",
                "working_directory /srv: no such directory inside: show it with readable, or with "
                "writable to write to it")]])

    def test_of_text_and_bytes_are_not_passed_on(self):
        self.assertEqual(self.program("""
            for arguments in ({"input": b"x", "text": True}, {"input": "x"}):
                try:
                    Sandbox().run(["cat"], **arguments)
                except TypeError as error:
                    print(error)
            """), ["input: expected str, as text was asked for, not bytes",
                   "memoryview: a bytes-like object is required, not 'str'"])


class Start(CommandTest):
    def test_confines_the_rest_of_the_program(self):
        self.assertEqual(self.program(f"""
            places = [place for place in {harness.PYTHON_PLACES} if not place.startswith("/usr")]
            sandbox = Sandbox(readable=places)
            print(is_running(), flush=True)
            sandbox.start()
            print(is_running(), os.listdir("/tmp"))
            for call in (sandbox.start, lambda: sandbox.run(["true"])):
                try:
                    call()
                except SandboxError as error:
                    print(type(error).__name__, error)
            """), ["False", "True []",
            "AlreadyStartedError the sandbox is already started (SANDBOX_ALREADY_STARTED, -202)",
            "InsideSandboxError this program is in a sandbox since mini_sandbox_start(), and that "
            "one allows none inside: spawn before, or do not start one (NESTED_SANDBOX, -201)"])

    def test_leaves_the_program_as_it_was_when_it_fails_and_may_be_tried_again(self):
        (self.work / "directory").touch()
        self.assertEqual(self.program(f"""
            sandbox = Sandbox(mode="custom", root=".", overlays="directory", readable=["/usr",
                              "/bin", "/lib", "/lib64", *{harness.PYTHON_PLACES}])
            process = os.getpid()
            for attempt in range(2):
                try:
                    sandbox.start()
                except SetupError as error:
                    print(error.code.name, os.getpid() == process, is_running())
            try:
                Sandbox().start()
            except SettingError as error:
                print(error.code.name)
            print(Sandbox().run(["true"]).returncode)
            os.unlink("directory")
            os.mkdir("directory")
            sandbox.start()
            print(is_running())
            """), ["GENERAL_OS_ERROR True False"] * 2 + ["INVALID_FUNCTIONING_MODE", "0", "True"])

    def test_has_no_setting_of_another_sandbox_that_failed(self):
        os.mkdir(self.place / "theirs")
        os.mkdir(self.place / "gone")
        self.assertEqual(self.program(f"""
            places = [place for place in {harness.PYTHON_PLACES} if not place.startswith("/usr")]
            other = Sandbox(readable=places, writable=["../theirs", "../gone"])
            os.rmdir("../gone")
            for sandbox in (other, Sandbox(readable=places)):
                try:
                    sandbox.start()
                except SettingError as error:
                    print(error.code.name)
            print(is_running(), flush=True)
            os.mkdir("../gone")
            other.start()
            print(is_running())
            """), ["PATH_DOES_NOT_EXIST", "INVALID_FUNCTIONING_MODE", "False", "True"])
