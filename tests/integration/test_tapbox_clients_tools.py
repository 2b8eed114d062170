"""ssh, git, rsync, iperf3, dig, NTP and psql through the stack, each under the one rule that it needs
and refused without."""

import hashlib
import json
import shutil

import client_tests
import harness
import payload
import world
import world_programs

MEGABYTE = 1 << 20
NAME = world_programs.NAME
SSH_RULE = f"{NAME}:{world_programs.SSH}"
SSH = ("ssh -F none -i client_key -o BatchMode=yes -o UserKnownHostsFile=known_hosts "
       "-o StrictHostKeyChecking=yes")


class Ssh(client_tests.ClientTest):
    programs_needed = ("sshd",)

    @classmethod
    def start_programs(cls, programs):
        programs.sshd()

    def setUp(self):
        super().setUp()
        self.bring("known_hosts", "client_key", mode=0o600)
        self.there = f"{harness.stage.user().name}@{NAME}"

    def server_directory(self, name):
        path = self.programs.directory / name
        path.mkdir()
        self.programs.give(path)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def test_ssh_runs_a_command_with_data_both_ways(self):
        self.make_file(self.work / "data", b"".join(payload.blocks(MEGABYTE)))
        outcome = self.succeeds_only_with(
            SSH_RULE, f"{SSH} $1 'sha256sum; echo said >&2; exit 7' < data; "
            'code=$?; test $code -ne 7 && exit $code; ' f"{SSH} $1 head -c {MEGABYTE} /dev/zero | "
            "sha256sum", self.there)
        self.assertEqual([line.split()[0] for line in outcome.lines()],
                         [payload.sha256_of(MEGABYTE),
                          hashlib.sha256(bytes(MEGABYTE)).hexdigest()], outcome)
        self.assertIn("said", outcome.err)

    def test_a_key_that_is_not_known_is_refused_by_the_server(self):
        outcome = self.tapbox_shell(f"ssh-keygen -q -t ed25519 -N '' -f other && "
                                    f"{SSH.replace('client_key', 'other')} $1 true", self.there,
                                    rules=(SSH_RULE,))
        self.assertEqual(outcome.code, 255, outcome)
        self.assertIn("Permission denied (publickey)", outcome.err)

    def test_git_clone_and_push(self):
        there = self.server_directory("repository")
        made = harness.run_bounded(["git", "init", "-q", "--bare", "-b", "main", there],
                                   identity=harness.stage.user(), cwd=there)
        self.assert_code(made, 0)
        outcome = self.succeeds_only_with(
            SSH_RULE, "set -e; rm -rf first second; git clone -q $1 first 2>&1; cd first; "
            "head -c 300000 /dev/urandom > data; git add data; "
            "git -c user.name=T -c user.email=t@example commit -q -m One; "
            "git push -q origin HEAD:main; git rev-parse HEAD; cd ..; git clone -q $1 second; "
            "git -C second fsck --no-progress; git -C second rev-parse HEAD",
            f"ssh://{self.there}{there}",
            # Without an address of ours git asks the resolver for this machine's full name.
            env={"GIT_CONFIG_NOSYSTEM": "1", "EMAIL": "t@example",
                 "GIT_SSH_COMMAND": SSH.replace("client_key", f"{self.work}/client_key")
                                       .replace("=known_hosts", f"={self.work}/known_hosts")})
        first, second = outcome.lines()[-2:]
        self.assertRegex(first, "^[0-9a-f]{40}$")
        self.assertEqual(first, second, outcome)

    def test_rsync(self):
        there = self.server_directory("tree")
        outcome = self.succeeds_only_with(
            SSH_RULE, "set -e; mkdir -p tree/sub; head -c 300000 /dev/urandom > tree/data; "
            f"echo small > tree/sub/small; rsync -a -e '{SSH}' tree/ $1/; "
            f"rsync -a -e '{SSH}' $1/ back/; diff -r tree back; sha256sum < back/data",
            f"{self.there}:{there}")
        self.assertEqual(outcome.out.split()[0],
                         hashlib.sha256((there / "data").read_bytes()).hexdigest(), outcome)


class Daemons(client_tests.ClientTest):
    """Servers that need no account."""

    @classmethod
    def start_programs(cls, programs):
        programs.certificates()
        programs.services()
        cls.module = programs.directory / "module"
        cls.module.mkdir()
        programs.give(cls.module)
        programs.rsync(cls.module)
        programs.iperf()

    def test_rsync_of_a_daemon(self):
        outcome = self.succeeds_only_with(
            f"{NAME}:{world_programs.RSYNC}",
            "set -e; mkdir -p tree/sub; head -c 3000000 /dev/urandom > tree/data; "
            "echo small > tree/sub/small; rsync -a tree/ $1; echo more >> tree/data; "
            "rsync -a --no-whole-file --stats tree/ $1 | grep '^Literal data'; "
            "rsync -a $1 back/; diff -r tree back; sha256sum < back/data", f"rsync://{NAME}/files/")
        literal, digest = outcome.lines()
        self.assertLess(int(literal.split()[2].replace(",", "")), 10_000, outcome)
        self.assertEqual(digest.split()[0],
                         hashlib.sha256((self.module / "data").read_bytes()).hexdigest(), outcome)

    def iperf(self, *options):
        outcome = self.succeeds_only_with(
            f"{NAME}:{world_programs.IPERF}",
            # With -J an error does not show in the exit code.
            """iperf3 -4 -J -c "$@" > report; cat report; ! grep '"error":' report >&2""",
            NAME, *options)
        return json.loads(outcome.out)["end"]

    def test_iperf3_out(self):
        # The server counts until it is told of the end, on a connection that overtakes the data. That
        # all of it arrives is for test_tapbox_http and test_tapbox_weather to show.
        end = self.iperf("-n", "200M")
        self.assertGreaterEqual(end["sum_sent"]["bytes"], 200 << 20)
        self.assertGreater(end["sum_received"]["bytes"], 100 << 20)

    def test_iperf3_in(self):
        end = self.iperf("-R", "-n", "200M")
        self.assertGreaterEqual(end["sum_received"]["bytes"], 200 << 20)

    def test_iperf3_udp_both_ways(self):
        for direction in ((), ("-R",)):
            with self.subTest(direction=direction):
                end = self.iperf("-u", "-b", "20M", "-n", "2M", *direction)
                self.assertGreater(end["sum"]["packets"], 1000)
                # On a busy machine whoever reads too late loses some, as UDP may.
                self.assertLess(end["sum"]["lost_packets"], end["sum"]["packets"] / 4, end["sum"])

    def test_an_ntp_exchange(self):
        outcome = self.succeeds_only_with(
            f"{NAME}:{world_programs.NTP}", "/usr/bin/python3 client_protocols.py ntp $1", NAME)
        self.assertEqual(outcome.out, "1 TEST 0\n", outcome)

    def test_ping(self):
        for address in (world_programs.ADDRESS, "2001:db8:a::10"):
            with self.subTest(address=address):
                ping = ("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", address)
                refused = self.tapbox(*ping, rules=(address,))
                self.assertNotEqual(refused.code, 0, refused)
                self.assertLess(refused.seconds, client_tests.FAST, refused)
                self.assertIn(f"--allow icmp/{address}", refused.verdicts()[0], refused)
                outcome = self.tapbox(*ping, rules=(f"icmp/{address}",))
                self.assert_code(outcome, 0)
                self.assertIn("3 received, 0% packet loss", outcome.out, outcome)

    def test_dig(self):
        ask = "dig +tries=1 +time=5 +noall +comments +answer"
        for transport in ("+notcp", "+tcp"):
            for kind, expected in (("A", "198.51.100.10"), ("AAAA", "2001:db8:a::10"),
                                   ("TXT", '"v=allowed"')):
                with self.subTest(transport=transport, kind=kind):
                    outcome = self.tapbox_shell(f"{ask} {transport} {NAME} {kind}", rules=(NAME,))
                    self.assertIn("status: NOERROR", outcome.out, outcome)
                    answers = [line.split() for line in outcome.lines()
                               if line.startswith(NAME)]
                    self.assertEqual([words[3:] for words in answers], [[kind, expected]], outcome)
        outcome = self.tapbox_shell(f"{ask} {NAME}", rules=("other.example",))
        self.assertIn("status: REFUSED", outcome.out, outcome)
        self.assertLess(outcome.seconds, client_tests.FAST)
        self.one_verdict(outcome, NAME)

    def test_dig_at_a_server_that_is_not_allowed_is_answered_by_the_stack(self):
        outcome = self.tapbox_shell(f"dig +tries=1 +time=5 +short @{world.OTHER_DNS_V4} {NAME}",
                                    rules=(NAME,))
        self.assertEqual(outcome.out, "198.51.100.10\n", outcome)
        self.assertEqual({line.split()[0] for line in self.logged("dns.log")}, {world.DNS_V4})


class Database(client_tests.ClientTest):
    programs_needed = ("psql", "postgres", "initdb")

    @classmethod
    def start_programs(cls, programs):
        programs.postgres()

    def test_psql(self):
        rows = 100_000
        # Where it was unpacked may be below HOME, which the sandbox does not see.
        shutil.copy(world_programs.find("psql"), self.work)
        outcome = self.succeeds_only_with(
            f"{NAME}:{world_programs.POSTGRES}",
            f"""set -e; psql="./psql -X -q -v ON_ERROR_STOP=1 -At"
            seq {rows} > numbers
            $psql -c 'create table numbers (n integer)' -c '\\copy numbers from numbers'
            $psql -c 'select count(*), sum(n) from numbers'
            $psql -c 'copy (select n from numbers order by n) to stdout' | cmp - numbers
            echo same""", env={"PGHOST": NAME, "PGUSER": "tester", "PGDATABASE": "postgres"})
        self.assertEqual(outcome.lines(), [f"{rows}|{rows * (rows + 1) // 2}", "same"], outcome)
