"""-R and -U: who the command appears to be. Whoever that is, it has no privilege (invariant 7).
-H: the host name."""

import os
import socket

import harness
import test_privileges

_ATTEMPTS = """
import os, socket, stat, sys
open('own', 'w').close()
def attempt(name, call, *arguments):
    try:
        call(*arguments)
        print(f'{name}: allowed')
    except OSError as error:
        print(f'{name}: {error.strerror}')
attempt('chown to another', os.chown, 'own', 1, 1)
attempt('chown of the system', os.chown, '/', os.getuid(), os.getgid())
attempt('chmod of the system', os.chmod, '/', 0o777)
attempt('mknod', os.mknod, 'device', 0o666 | stat.S_IFCHR, os.makedev(1, 3))
attempt('setgroups', os.setgroups, [])
attempt('setuid', os.setuid, 1)
attempt('setgid', os.setgid, 1)
attempt('sethostname', socket.sethostname, 'other')
attempt('raw socket', socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
attempt('low port', socket.socket().bind, ('127.0.0.1', 81))
attempt('nice', os.nice, -5)
attempt('chroot', os.chroot, '.')
"""


def ids_of(outcome):
    return outcome.out.split()


@harness.as_root_too
class AsRootInside(harness.SandboxTest):
    options = ("-x", "-R")

    def test_every_id_shows_as_roots_and_has_a_name(self):
        outcome = self.shell("id -u; id -g; id -ru; id -rg; id -un; python3 -c 'import os, pwd; "
                             "print(pwd.getpwuid(os.getuid()).pw_name)'")
        self.assertEqual(ids_of(outcome), ["0", "0", "0", "0", "root", "root"], outcome)

    def test_files_are_the_callers_to_the_host(self):
        self.assert_code(self.shell("touch made; stat -c %u made | grep -qx 0"), 0)
        made, work = os.stat(self.work / "made"), os.stat(self.work)
        self.assertEqual((made.st_uid, made.st_gid), (work.st_uid, work.st_gid))

    def test_home_is_the_callers(self):
        self.plant_secrets()
        outcome = self.shell('echo "$HOME"; ls -A "$HOME"')
        self.assertEqual(outcome.out, f"{self.identity.home}\n", outcome)

    def test_there_is_a_runtime_directory_for_either_id(self):
        outcome = self.shell(f"touch /run/user/0/x /run/user/{self.identity.uid}/x && echo made")
        self.assertEqual(outcome.out, "made\n", outcome)

    def test_nothing_that_root_may_do_can_be_done(self):
        outcome = self.sandbox("python3", "-c", _ATTEMPTS)
        self.assertEqual(len(outcome.lines()), 12, outcome)
        self.assertEqual([line for line in outcome.lines() if line.endswith(": allowed")], [])


@harness.as_root_too
class AsNobodyInside(harness.SandboxTest):
    options = ("-x", "-U")

    def test_every_id_shows_as_nobodys(self):
        outcome = self.shell("id -u; id -g; id -ru; id -rg; id -un")
        self.assertEqual(ids_of(outcome), ["65534", "65534", "65534", "65534", "nobody"], outcome)

    def test_files_are_the_callers_to_the_host(self):
        self.assert_code(self.shell("touch made"), 0)
        self.assertEqual(os.stat(self.work / "made").st_uid, os.stat(self.work).st_uid)

    def test_there_is_a_runtime_directory_for_the_id_inside(self):
        self.assert_code(self.shell("touch /run/user/65534/x"), 0)

    def test_nothing_that_root_may_do_can_be_done(self):
        outcome = self.sandbox("python3", "-c", _ATTEMPTS)
        self.assertEqual(len(outcome.lines()), 12, outcome)
        self.assertEqual([line for line in outcome.lines() if line.endswith(": allowed")], [])


@harness.as_root_too
class PrivilegesOfRootInside(test_privileges.Privileges):
    """Every probe of kernel interfaces, mounts and namespaces: -R leaves no way to undo a mount."""
    options = ("-x", "-R")


@harness.as_root_too
class PrivilegesOfNobodyInside(test_privileges.Privileges):
    options = ("-x", "-U")


@harness.as_root_too
class HostName(harness.SandboxTest):
    def test_is_localhost_when_asked_for(self):
        outcome = self.shell("hostname; uname -n; cat /proc/sys/kernel/hostname",
                             options=(*self.options, "-H"))
        self.assertEqual(outcome.lines(), ["localhost"] * 3, outcome)
        self.assertNotEqual(socket.gethostname(), "localhost", "the control: the host's stays")

    def test_is_the_hosts_otherwise(self):
        self.assertEqual(self.sandbox("uname", "-n").out, f"{socket.gethostname()}\n")


@harness.as_root_too
class HostNameInTapbox(HostName):
    program = "mini-tapbox"
    options = ("-x", "--allow", "allowed.example")
    needs = ("namespaces", "tun", "mini-tapbox")

    def test_the_name_leads_to_loopback(self):
        outcome = self.shell("getent ahostsv4 $(hostname)", options=(*self.options, "-H"))
        self.assertEqual(outcome.out.split()[:1], ["127.0.0.1"], outcome)
