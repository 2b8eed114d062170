"""mini-tapbox with the clients that people use: wget, curl, Python and git over HTTP."""

import os
import shutil
import subprocess

import harness
import payload
import tapbox

MEGABYTE = 1 << 20


@harness.as_root_too
class Clients(tapbox.TapboxTest):
    def test_the_demo_of_the_readme(self):
        rules = self.make_file(self.work / "allowed_ips", "allowed.example\n")
        outcome = self.shell("wget -qO- http://allowed.example/; "
                             "wget -T 10 -t 1 -qO- http://refused.example/",
                             options=("-x", "-F", str(rules)))
        self.assertEqual(outcome.out, "Hello from allowed.example\n", outcome)
        self.assertNotEqual(outcome.code, 0)
        self.assertLess(outcome.seconds, 3, outcome)
        self.one_verdict(outcome, "refused.example", "--allow refused.example")
        self.assertEqual(self.names_asked_upstream(), {"allowed.example"})
        self.assertEqual([line.split()[1:] for line in self.logged("http.log")], [["GET", "/"]])

    def test_wget_curl_and_python(self):
        expected = payload.sha256_of(MEGABYTE)
        for fetch in ("wget -qO- $0 | sha256sum", "curl -sS $0 | sha256sum",
                      "curl -4 -sS $0 | sha256sum", "curl -6 -sS $0 | sha256sum",
                      "/usr/bin/python3 client.py fetch $0 | cut -d' ' -f2"):
            with self.subTest(fetch=fetch):
                outcome = self.tapbox("sh", "-c", fetch, f"http://allowed.example/bytes/{MEGABYTE}")
                self.assertEqual(outcome.out.split()[:1], [expected], outcome)
                self.assertEqual(outcome.verdicts(), [])

    def test_uploads(self):
        self.make_file(self.work / "data", b"".join(payload.blocks(3 * MEGABYTE)))
        expected = f"{3 * MEGABYTE} {payload.sha256_of(3 * MEGABYTE)}\n"
        for send in ("curl -sS -T data $0", "curl -sS -T - $0 < data",
                     "curl -sS -H Expect: --data-binary @data $0",
                     "wget -qO- --post-file=data $0"):
            with self.subTest(send=send):
                outcome = self.tapbox("sh", "-c", send, "http://allowed.example/sink")
                self.assertEqual(outcome.out, expected, outcome)

    def test_git_clone_and_push(self):
        repository = self.run_dir / "git" / "project"
        self.addCleanup(shutil.rmtree, repository, ignore_errors=True)
        script = ("git init -q --bare -b main $0 && git -C $0 config http.receivepack true && "
                  "git init -q -b main seed && cd seed && head -c 300000 /dev/urandom > data && "
                  "git add data && git -c user.name=T -c user.email=t@example commit -q -m One && "
                  "git push -q $0 main && git -C ../seed rev-parse HEAD")
        made = harness.run_bounded(["sh", "-c", script, repository],
                                   identity=harness.stage.user(), cwd=self._seed_directory())
        self.assert_code(made, 0)
        outcome = self.tapbox_shell(
            "git clone -q http://allowed.example/git/project clone && cd clone && "
            "git rev-parse HEAD && git fsck --no-progress && echo more > more && git add more && "
            "git -c user.name=T -c user.email=t@example commit -q -m Two && git push -q && "
            "git rev-parse HEAD", env={"GIT_CONFIG_NOSYSTEM": "1"})
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.lines()[0], made.lines()[-1], outcome)
        head = subprocess.run(["git", "-c", "safe.directory=*", "-C", repository, "rev-parse",
                               "main"], check=True, capture_output=True, text=True).stdout
        self.assertEqual(outcome.lines()[-1], head.strip(), outcome)

    def _seed_directory(self):
        directory = self.make_directory(self.scratch / "seed-work")
        if harness.stage.root():
            user = harness.stage.user()
            os.chown(directory, user.uid, user.gid)
        return directory

    def test_a_redirect_to_a_refused_name_ends_there(self):
        outcome = self.tapbox("curl", "-sSL", "http://allowed.example/redirect/refused.example")
        self.assertNotEqual(outcome.code, 0)
        self.one_verdict(outcome, "refused.example")
        self.assertNotIn("refused.example", self.names_asked_upstream())


class Transfers(tapbox.TapboxTest):
    GIGABYTE = 1 << 30
    limit = 60

    def test_a_gigabyte_down(self):
        outcome = self.client("fetch", f"http://allowed.example/bytes/{self.GIGABYTE}", timeout=50)
        self.assertEqual(outcome.out,
                         f"{self.GIGABYTE} {payload.sha256_of(self.GIGABYTE)}\n", outcome)

    def test_a_gigabyte_up(self):
        outcome = self.client("upload", "http://allowed.example/sink", self.GIGABYTE, timeout=50)
        self.assertEqual(outcome.out,
                         f"{self.GIGABYTE} {payload.sha256_of(self.GIGABYTE)}\n", outcome)

    def test_both_ways_at_once_over_both_families(self):
        size = 64 * MEGABYTE
        script = ("for i in 1 2; do for h in 198.51.100.10 '[2001:db8:a::10]'; do "
                  "python3 client.py fetch http://$h/bytes/$0 & "
                  "python3 client.py upload http://$h/sink $0 & done; done; wait")
        outcome = self.tapbox("sh", "-c", script, str(size), timeout=50,
                              rules=("198.51.100.10", "2001:db8:a::10"))
        self.assertEqual(outcome.lines(), [f"{size} {payload.sha256_of(size)}"] * 8, outcome)

    def test_a_slow_answer(self):
        outcome = self.tapbox("curl", "-sS", "http://allowed.example/slow")
        self.assertEqual(outcome.lines(), [f"line {number}" for number in range(10)], outcome)

    def test_a_reset_answer_is_an_error_at_once(self):
        outcome = self.tapbox("curl", "-sS", "-o", "/dev/null", "http://allowed.example/reset")
        self.assertEqual(outcome.code, 56, outcome)  # curl(1): failure in receiving network data
        self.assertLess(outcome.seconds, 5)


class HostNames(tapbox.TapboxTest):
    def test_etc_hosts_of_the_host_is_honoured(self):
        outcome = self.tapbox("curl", "-sS", "http://fromhosts.example/",
                              rules=("fromhosts.example",))
        self.assertEqual(outcome.out, "Hello from fromhosts.example\n", outcome)
        self.assertEqual(self.names_asked_upstream(), set())

    def test_a_name_of_the_host_itself_is_refused_all_the_same(self):
        outcome = self.client("connect", "host.example", 8642, rules=("host.example",))
        self.assertNotIn("connected", outcome.out)
