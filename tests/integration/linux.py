"""The few Linux calls that Python 3.9 has no name for, by ctypes. Every failure is an OSError."""

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags):
    _check(_libc.unshare(ctypes.c_int(flags)), f"unshare(0x{flags:x})")


def setns(descriptor, kind):
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source, target, fstype=None, flags=0, data=None):
    def encode(text):
        return None if text is None else os.fsencode(text)

    _check(
        _libc.mount(encode(source), encode(target), encode(fstype), ctypes.c_ulong(flags),
                    encode(data)), f"mount {source} on {target}")


def umount_lazily(target):
    mnt_detach = 2
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(mnt_detach)), f"umount {target}")


def pivot_root(new_root, put_old):
    number = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), os.fsencode(new_root), os.fsencode(put_old)),
           "pivot_root")


def set_child_subreaper():
    """From now on, orphans among our descendants become our children (prctl(2))."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0), "prctl")


def die_with_parent(parent):
    """SIGKILL when `parent` ends. Call it after any change of ids: that clears it (prctl(2))."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0), "prctl")
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def become(uid, gid, groups):
    """Gives up root for good."""
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def enter_user_namespace(inside_uid, inside_gid):
    """A user namespace of our own, in which we are inside_uid:inside_gid (user_namespaces(7))."""
    uid, gid = os.getuid(), os.getgid()
    # A change of ids made our files in /proc root's (proc(5), PR_SET_DUMPABLE).
    _check(_libc.prctl(PR_SET_DUMPABLE, ctypes.c_ulong(1), 0, 0, 0), "prctl")
    unshare(CLONE_NEWUSER)
    for path, text in (("/proc/self/setgroups", "deny"),
                       ("/proc/self/uid_map", f"{inside_uid} {uid} 1"),
                       ("/proc/self/gid_map", f"{inside_gid} {gid} 1")):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)


def children_of(pid):
    """Its children, zombies included. Read from the whole process table: the `children` files of
    proc(5) need CONFIG_PROC_CHILDREN and may miss entries while processes come and go."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                after_name = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after_name[1]) == pid:
            found.append(int(entry))
    return found


def descendants_of(pid):
    found = []
    pending = [pid]
    while pending:
        for child in children_of(pending.pop()):
            found.append(child)
            pending.append(child)
    return found


class _SockFilter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                ("k", ctypes.c_uint)]


class _SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_SockFilter))]


_NEW_CALLS = {"clone3": 435, "landlock_create_ruleset": 444, "open_tree_attr": 467}  # everywhere
_CALLS = {"x86_64": {"clone": 56, "unshare": 272, **_NEW_CALLS},
          "aarch64": {"clone": 220, "unshare": 97, **_NEW_CALLS}}


def refuse_calls(refusals):
    """A seccomp filter as a container's: {"clone3": errno}. Of clone, only new user namespaces.

    None in place of an errno: the process is killed.
    """
    load, jump_equal, jump_set, answer = 0x20, 0x15, 0x45, 0x06  # bpf(4)'s classic machine
    allow, refuse, kill = 0x7fff0000, 0x00050000, 0x80000000
    numbers = _CALLS[os.uname().machine]
    code = []
    for name, error in refusals.items():
        code.append((load, 0, 0, 0))  # the number of the call
        if name == "clone":
            code.append((jump_equal, 0, 3, numbers[name]))
            code.append((load, 0, 0, 16))  # the lower half of its flags
            code.append((jump_set, 0, 1, CLONE_NEWUSER))
        else:
            code.append((jump_equal, 0, 1, numbers[name]))
        code.append((answer, 0, 0, kill if error is None else refuse | error))
    code.append((answer, 0, 0, allow))
    program = _SockFprog(len(code), (_SockFilter * len(code))(*code))
    pr_set_no_new_privs, pr_set_seccomp, mode_filter = 38, 22, 2
    _check(_libc.prctl(pr_set_no_new_privs, ctypes.c_ulong(1), 0, 0, 0), "prctl")
    _check(_libc.prctl(pr_set_seccomp, ctypes.c_ulong(mode_filter), ctypes.byref(program), 0, 0),
           "prctl")


def forbid_user_namespaces():
    """In a user namespace of our own, whose limit on further ones is 0 (namespaces(7))."""
    enter_user_namespace(0, 0)
    with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
        file.write("0")


def in_a_mount_namespace(change):
    """Calls `change`, which mounts, where the host does not see it."""
    def enter():
        enter_user_namespace(os.getuid(), os.getgid())
        unshare(CLONE_NEWNS)
        change()

    return enter
