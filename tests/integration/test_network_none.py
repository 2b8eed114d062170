"""Plain mini-sandbox: loopback works, and nothing else is there."""

import pathlib
import shutil

import harness
import host_services
import world

HERE = pathlib.Path(__file__).resolve().parent


@harness.as_root_too
class NoNetwork(harness.SandboxTest):
    def setUp(self):
        super().setUp()
        for name in ("client.py", "payload.py"):
            shutil.copy(HERE / name, self.work / name)

    def test_loopback_works_in_both_families(self):
        script = ("python3 -m http.server -b {0} 8000 >/dev/null 2>&1 & "
                  "for i in $(seq 100); do curl -sf -o /dev/null http://{1}:8000/payload.py "
                  "&& break; sleep 0.05; done; curl -s http://{1}:8000/payload.py | wc -c")
        for host, in_url in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
            with self.subTest(host=host):
                outcome = self.shell(script.format(host, in_url))
                self.assertEqual(int(outcome.out), (HERE / "payload.py").stat().st_size, outcome)

    def test_there_is_no_other_interface(self):
        outcome = self.shell("sed 1,2d /proc/net/dev | cut -d: -f1")
        self.assertEqual(outcome.out.split(), ["lo"], outcome)

    def test_nothing_outside_is_reached(self):
        targets = [("198.51.100.10", 80), ("2001:db8:a::10", 80), (world.WORLD_V4, 80),
                   (world.HOST_V4, host_services.TCP_PORT), (world.HOST_V6, host_services.TCP_PORT),
                   ("127.0.0.1", host_services.TCP_PORT), ("::1", host_services.TCP_PORT)]
        script = "".join(f"python3 client.py connect {host} {port} 2;" for host, port in targets)
        outcome = self.shell(script)
        self.assertEqual(len(outcome.lines()), len(targets), outcome)
        for line in outcome.lines():
            self.assertIn(line.split()[0], ("ENETUNREACH", "ECONNREFUSED", "EADDRNOTAVAIL"))

    def test_names_fail_at_once(self):
        outcome = self.sandbox("python3", "client.py", "resolve", "allowed.example")
        self.assertIn("gaierror", outcome.out, outcome)
        self.assertLess(outcome.seconds, 5)

    def test_control_the_host_does_reach_them(self):
        outcome = harness.run_bounded(
            ["sh", "-c", f"/usr/bin/python3 client.py connect 198.51.100.10 80; "
             f"/usr/bin/python3 client.py connect {world.HOST_V4} {host_services.TCP_PORT}"],
            identity=self.identity, cwd=self.work)
        self.assertEqual(outcome.out.count("connected"), 2, outcome)
