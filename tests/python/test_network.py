"""libmini-tapbox from Python, in the world of tests/integration: a network behind an allow-list."""

import harness

ALLOWED_V4, UNNAMED_V4 = "198.51.100.10", "203.0.113.9"  # as tests/integration/world.py has them

PREAMBLE = harness.PREAMBLE + """
import errno, socket
from pyminisandbox import pyminitapbox as tapbox
from pyminisandbox import *

def connect(host, port=80):
    try:
        socket.create_connection((host, port), timeout=10).close()
        return "connected"
    except socket.gaierror:
        return "unknown"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))

PROBE = f'''exec 9<>/dev/tcp/{sys.argv[1]}/80 && echo {sys.argv[1]}
exec 9<>/dev/tcp/{sys.argv[2]}/80 && echo {sys.argv[2]}'''

def reached(**settings):
    done = Sandbox(**settings).run(["bash", "-c", PROBE], stdout=PIPE, stderr=DEVNULL, text=True)
    return done.stdout.split()
"""


class NetworkTest(harness.ProgramTest):
    def program(self, text):
        return super().program(text, ALLOWED_V4, UNNAMED_V4, preamble=PREAMBLE)


class TheRestOfTheProgram(NetworkTest):
    PLACES = f"{[place for place in harness.PYTHON_PLACES if not place.startswith('/usr')]}"

    def test_reaches_what_the_functions_allow(self):
        self.assertEqual(self.program(f"""
            print(sandbox.mini_sandbox_setup_readonly(), tapbox.mini_sandbox_setup_default(),
                  sum(tapbox.mini_sandbox_mount_bind(place) for place in {self.PLACES}),
                  tapbox.mini_sandbox_allow_domain("allowed.example"),
                  tapbox.mini_sandbox_allow_max_connections(10))
            print(tapbox.mini_sandbox_start(), tapbox.mini_sandbox_is_running(), is_running(),
                  sandbox.mini_sandbox_is_running(), flush=True)
            print(connect("allowed.example"), connect("refused.example"), connect(sys.argv[2]))
            print(sandbox.mini_sandbox_start())
            """), ["0 0 0 0 0", "0 True True False",
                   "connected unknown ECONNREFUSED", "-201"])

    def test_reaches_what_the_object_allows(self):
        self.assertEqual(self.program(f"""
            Sandbox(allow=["allowed.example:80"], readable={self.PLACES}).start()
            print(connect("allowed.example"), connect("allowed.example", 81), connect(sys.argv[2]))
            """), ["connected ECONNREFUSED ECONNREFUSED"])


class ACommand(NetworkTest):
    def test_reaches_what_is_allowed_and_nothing_without_a_word(self):
        (self.work / "rules").write_text(f"# a list\n{UNNAMED_V4}\n")
        (self.work / "none").write_text("# nothing\n")
        self.assertEqual(self.program("""
            for settings in ({}, {"allow": []}, {"allow_files": "none"}, {"allow": sys.argv[1]},
                             {"allow": [sys.argv[1] + ":81"]}, {"allow_files": ["rules"]},
                             {"allow": [sys.argv[1]], "allow_files": ["rules"]},
                             {"allow_public": True}, {"share_network": True}):
                print(*reached(**settings))
            """), ["", "", "", ALLOWED_V4, "", UNNAMED_V4, *[f"{ALLOWED_V4} {UNNAMED_V4}"] * 3])

    def test_is_told_of_as_it_goes(self):
        self.assertEqual(self.program("""
            with Sandbox(allow=[sys.argv[1]]).spawn(["bash", "-c", PROBE + "; cat"], stdin=PIPE,
                                                    stdout=DEVNULL, stderr=DEVNULL) as process:
                for event in process.events():
                    if event["event"] == "verdict":
                        print(event["verdict"], event["address"], event["port"])
                        if event["verdict"] == "refused":
                            process.stdin.close()
                print(process.wait())
            try:
                with Sandbox().spawn(["true"]) as process:
                    process.events()
            except ValueError as error:
                print(error)
            """), [f"allowed {ALLOWED_V4} 80", f"refused {UNNAMED_V4} 80", "0",
                   "no events: they are of a network behind allow, allow_files or allow_public"])

    def test_is_ended_when_its_network_fails(self):
        self.assertEqual(self.program("""
            import signal
            process = Sandbox(allow=[]).spawn(["sleep", "60"])
            with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
                children = file.read().split()
            for child in children:
                with open(f"/proc/{child}/comm") as file:
                    if file.read() == "network-stack\\n":
                        os.kill(int(child), signal.SIGKILL)
            try:
                process.wait()
            except SetupError as error:
                print(error.code.name, process.returncode, process.wait())
            """), ["GENERAL_OS_ERROR 125 125"])

    def test_gets_no_network_by_rules_that_are_wrong(self):
        (self.work / "bad").write_text("example.com:x\n")
        self.assertEqual(self.program("""
            for settings in ({"allow": "exa mple"}, {"allow_files": "bad"},
                             {"allow_files": "missing"}, {"allow": [], "allow_public": True},
                             {"allow_public": True, "max_connections": 10**7},
                             {"allow_public": True, "max_connections": 2**32 + 1}):
                try:
                    Sandbox(**settings)
                except SettingError as error:
                    print(error.code.name)
            """), ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "PATH_DOES_NOT_EXIST",
                   "ILLEGAL_NETWORK_CONFIGURATION", "INVALID_ARGUMENT", "INVALID_ARG"])


class TheModule(NetworkTest):
    once = True

    def test_is_a_tapbox_by_its_rules(self):
        self.assertEqual(self.program("""
            def run(*options):
                return subprocess.run([sys.executable, "-m", "pyminisandbox", "-x", *options, "--",
                                       "bash", "-c", PROBE], stdout=PIPE, stderr=DEVNULL, text=True)
            import subprocess
            with open("rules", "w") as file:
                print(sys.argv[2], file=file)
            for options in ([], ["--allow", sys.argv[1]], ["-F", "rules"], ["-N"],
                            ["-Frules", "--allow=" + sys.argv[1], "--max-connections", "9"]):
                print(*run(*options).stdout.split())
            """), ["", ALLOWED_V4, UNNAMED_V4, *[f"{ALLOWED_V4} {UNNAMED_V4}"] * 2])
