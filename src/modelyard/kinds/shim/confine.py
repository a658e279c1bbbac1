"""A child gives up its rights, once and for good, before it touches anything that was given to it.

    limits     memory, processor time, size of a file, open files (setrlimit)
    rights     no new privileges, no capabilities
    calls      seccomp: no sockets, no new processes, no signals to others, no looking into others, unless granted
    files      Landlock: reads what Python and the model need, writes to its own folder alone
    lifeline   the kernel kills it when its parent is gone

Everything works for a user without privileges, on Linux for x86_64 and aarch64. What the platform cannot enforce is told by
name (`apply` returns it), and refused when `demand` says so. Only the standard library is needed.
"""

# ruff: noqa: PTH100, PTH112, PTH114, PTH116, PTH120, PTH123, PTH208  as little as possible is imported before rights are given up

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/proc", "/sys", "/dev/null", "/dev/zero",
    "/dev/full", "/dev/random", "/dev/urandom", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime",
    "/etc/timezone", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
    "/etc/hosts", "/etc/resolv.conf", "/etc/mime.types", "/etc/alternatives", "/etc/os-release", "/etc/protocols",
    "/etc/services", "/etc/fonts", "/etc/OpenCL",
)  # fmt: skip
"""What every program may read: libraries, devices that are none, and what the system tells all. No home, no /tmp, no /opt."""

_O_PATH = 0o10000000  # PyPy does not name it
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


class Unconfined(Exception):
    """The platform cannot confine as it was demanded."""

    code = "unavailable"

    def __init__(self, missing: Iterable[str]) -> None:
        self.detail = "this platform cannot confine a model as the policy demands: it has no {}".format(", ".join(missing))
        self.field = None
        self.hint = "run on Linux 5.13 or newer (x86_64 or aarch64), or let the policy's `confine` be `where-possible`"
        super().__init__(self.detail)


def apply(terms: Mapping[str, Any]) -> list[str]:
    """Confine this process by `terms`: `limits` (see `modelyard.kinds.sandbox.Limits`), `read` and `write` (paths), `hidden`
    (folders not read although they lie below one of the others), `network`, `demand`, and `lifeline` (a descriptor). What could
    not be done is named. Raises Unconfined when it was demanded.
    """
    limits = terms["limits"]
    missing = _limited(limits)
    if sys.platform != "linux":
        missing += ["seccomp", "landlock"]
    else:
        _lifeline(terms.get("lifeline"))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as adjust:
            adjust.write("500")
        libc = ctypes.CDLL(None, use_errno=True)
        reads = [*SYSTEM, *own_paths(), *terms.get("read", ())]
        network, processes = bool(terms.get("network")), int(limits.get("processes", 0))
        missing += _rights(libc)
        version = _landlock(libc)
        missing += _files(libc, version, uncovered(reads, terms.get("hidden", ())), terms.get("write", ()), network)
        missing += _calls(libc, version, network=network, processes=processes)
    if missing and terms.get("demand"):
        raise Unconfined(missing)
    return missing


def own_paths() -> list[str]:
    """Where this interpreter and its libraries are, its environment (of which `site` may not have told yet) among them."""
    environment = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, environment, *sys.path]
    found += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [path for path in found if path]


def uncovered(read: Iterable[str], hidden: Iterable[str]) -> list[tuple[str, bool]]:
    """What may be read so that the hidden folders stay so, each with whether that is its content too, or its names alone. Rights
    to a folder hold for all below it, so one that lies above a hidden folder is replaced by what is in it. What lies inside a
    hidden folder and is named by itself (a model, its environment) is read."""
    kept = tuple(dict.fromkeys(os.path.realpath(path) for path in hidden))
    found: dict[str, bool] = {}
    waiting = [(path, True) for path in dict.fromkeys(map(os.path.realpath, read))]
    while waiting:
        path, named = waiting.pop()
        above = path.rstrip("/") + "/"
        if path in kept or (not named and any(path.startswith(one + "/") for one in kept)):
            continue
        if not any(one.startswith(above) for one in kept):
            found[path] = True
            continue
        found[path] = False
        with contextlib.suppress(OSError):  # what cannot be listed is not read
            waiting += [(above + name, False) for name in os.listdir(path) if not os.path.islink(above + name)]
    return list(found.items())


def _limited(limits: Mapping[str, Any]) -> list[str]:
    """Limits can never be raised again. No core dump is ever written."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_AS, limits["memory_bytes"])
    _set(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _set(resource.RLIMIT_NOFILE, limits["open_files"])
    if limits.get("cpu_seconds") is not None:
        _set(resource.RLIMIT_CPU, limits["cpu_seconds"], margin=1)
    processes = limits.get("processes", 0)
    if not processes:
        return []  # refused altogether, see `_calls`
    if os.getuid() == 0:
        return ["limit on processes for root"]  # the kernel exempts it
    _set(resource.RLIMIT_NPROC, _tasks_of_user() + processes)
    return []


def _set(which: int, value: int, margin: int = 0) -> None:
    """Both soft and hard limit, never above what this process already has; `margin` is what the hard one has more."""
    _, hard = resource.getrlimit(which)
    most = value + margin if hard == resource.RLIM_INFINITY else min(value + margin, hard)
    resource.setrlimit(which, (min(value, most), most))


def _tasks_of_user() -> int:
    """What the kernel counts against the user already."""
    found = 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat("/proc/" + name).st_uid == os.getuid():
                found += len(os.listdir(f"/proc/{name}/task"))
    return found


def _lifeline(descriptor: int | None) -> None:
    """The other end is the parent's: when it closes, by the parent's death too, the kernel sends SIGKILL."""
    if descriptor is not None:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, 10, signal.SIGKILL)  # F_SETSIG
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


def _rights(libc: Any) -> list[str]:
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        return ["no_new_privs"]
    number = {"x86_64": 126, "aarch64": 91}.get(platform.machine())
    if number is None:
        return ["capset"]
    header, nothing = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    return ["capset"] if libc.syscall(number, header, nothing) else []


# Landlock: https://docs.kernel.org/userspace-api/landlock.html

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_RIGHTS = (1 << 16) - 1


def _landlock(libc: Any) -> int:
    """The newest form that the kernel has; below 1, none."""
    return int(libc.syscall(444, None, ctypes.c_size_t(0), 1))


def _files(libc: Any, version: int, read: Sequence[tuple[str, bool]], write: Sequence[str], network: bool) -> list[str]:
    """Landlock, in its newest form that the kernel has."""
    if version < 1:
        return ["landlock"]
    rights = _RIGHTS_BY_ABI.get(version, _ALL_RIGHTS)
    ports = 0 if network or version < 4 else 3  # bind and connect, TCP
    scoped = 3 if version >= 6 else 0  # abstract sockets and signals stay inside
    attributes = struct.pack("<QQQ", rights, ports, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(444, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return ["landlock"]
    try:
        for path, content in read:
            _allow(libc, ruleset, path, rights & (_EXECUTE | _READ_FILE | _READ_DIR if content else _READ_DIR))
        for path in _DEVICES:
            _allow(libc, ruleset, path, rights & (_READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL))
        for path in write:
            _allow(libc, ruleset, path, rights)
        return ["landlock"] if libc.syscall(446, ruleset, 0) else []
    finally:
        os.close(ruleset)


def _allow(libc: Any, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there cannot be used
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        libc.syscall(445, ruleset, 1, struct.pack("<Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


# seccomp: https://docs.kernel.org/userspace-api/seccomp_filter.html

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_CLONE_THREAD = 0x10000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS: dict[str, dict[str, int]] = {
    "x86_64": {
        "socket": 41, "connect": 42, "bind": 49, "listen": 50, "clone": 56, "fork": 57, "vfork": 58, "clone3": 435,
        "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424,
        "setpgid": 109, "setsid": 112, "prlimit64": 302, "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
        "ptrace": 101, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "reboot": 169, "init_module": 175,
        "finit_module": 313, "kexec_load": 246, "kexec_file_load": 320, "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "setns": 308, "perf_event_open": 298, "open_by_handle_at": 304, "process_vm_readv": 310,
        "process_vm_writev": 311, "kcmp": 312, "bpf": 321, "userfaultfd": 323, "pidfd_getfd": 438, "io_uring_setup": 425,
        "io_uring_enter": 426, "io_uring_register": 427, "move_pages": 279, "migrate_pages": 256,
        "fcntl": 72, "ioctl": 16, "open": 2, "openat": 257, "openat2": 437, "truncate": 76, "memfd_create": 319,
        "memfd_secret": 447, "mq_open": 240, "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66,
        "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
    },
    "aarch64": {
        "socket": 198, "connect": 203, "bind": 200, "listen": 201, "clone": 220, "clone3": 435,
        "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424,
        "setpgid": 154, "setsid": 157, "prlimit64": 261, "fchmod": 52, "fchmodat": 53, "fchmodat2": 452,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "ptrace": 117, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "reboot": 142, "init_module": 105,
        "finit_module": 273, "kexec_load": 104, "kexec_file_load": 294, "add_key": 217, "request_key": 218, "keyctl": 219,
        "unshare": 97, "setns": 268, "perf_event_open": 241, "open_by_handle_at": 265, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "bpf": 280, "userfaultfd": 282, "pidfd_getfd": 438, "io_uring_setup": 425,
        "io_uring_enter": 426, "io_uring_register": 427, "move_pages": 239, "migrate_pages": 238,
        "fcntl": 25, "ioctl": 29, "openat": 56, "openat2": 437, "truncate": 45, "memfd_create": 279,
        "memfd_secret": 447, "mq_open": 180, "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190, "semop": 193,
        "semctl": 191, "semtimedop": 192, "msgget": 186, "msgsnd": 189, "msgrcv": 188, "msgctl": 187,
    },
}  # fmt: skip
_NETWORK = ("socket", "connect", "bind", "listen")
_FORK = ("fork", "vfork")
_SIGNALS = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
_NEVER = (
    "tkill", "pidfd_send_signal", "setpgid", "setsid", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
    "fremovexattr", "ptrace", "mount", "umount2", "pivot_root", "chroot", "reboot", "init_module", "finit_module", "kexec_load",
    "kexec_file_load", "add_key", "request_key", "keyctl", "unshare", "setns", "perf_event_open", "open_by_handle_at",
    "process_vm_readv", "process_vm_writev", "kcmp", "bpf", "userfaultfd", "pidfd_getfd", "move_pages", "migrate_pages",
)  # fmt: skip
_RING = ("io_uring_setup", "io_uring_enter", "io_uring_register")
_SHARED = (
    "memfd_create", "memfd_secret", "mq_open", "shmget", "shmat", "shmctl", "semget", "semop", "semctl", "semtimedop", "msgget",
    "msgsnd", "msgrcv", "msgctl",
)  # fmt: skip
"""Memory that no limit counts, some of it shared with whoever runs as the same user."""
_OWNED = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX
_OWNS = (0x8901, 0x8902, 0x5412)  # FIOSETOWN, SIOCSPGRP, and TIOCSTI, which types into a terminal
_TRUNCATING = 0x200  # O_TRUNC
_CHMOD = ("chmod", "fchmod", "fchmodat", "fchmodat2")


def _calls(libc: Any, version: int, *, network: bool, processes: int) -> list[str]:
    machine = platform.machine()
    if machine not in _CALLS or sys.byteorder != "little" or struct.calcsize("P") != 8:
        return ["seccomp"]
    code = program(machine, os.getpid(), network=network, processes=processes, truncation=version >= 3)
    kept = ctypes.create_string_buffer(b"".join(code))
    given = struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(kept))
    if libc.prctl(22, 2, given, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        return ["seccomp"]
    return ["scope of signals"] if processes and version < 6 else []  # a filter cannot tell its processes from others


def program(machine: str, pid: int, *, network: bool, processes: int, truncation: bool = True) -> list[bytes]:
    """The filter as instructions of classic BPF. A call is answered with an error number, never with death, so that a library
    that only tries goes on.

    Sockets of every family are refused, Unix ones too (a daemon's socket would be a way out); pairs are not. Changing modes
    is answered with success and does nothing: libraries that copy files do it, and Landlock does not cover it. io_uring would
    go round this filter, and is not there. Nobody is named who gets a signal when a file is ready: the kernel would send it in
    our name. `truncation` says that Landlock covers cutting files; if not, a file is cut only by who may write to it.
    """
    numbers = _CALLS[machine]
    rules = [_refuse(numbers[name], errno.EPERM) for name in _NEVER]
    rules += [_refuse(numbers[name], errno.ENOSYS) for name in _RING]
    rules += [_refuse(numbers[name], 0) for name in _CHMOD if name in numbers]
    rules += [_refuse(numbers[name], errno.ENOSYS) for name in _SHARED]
    rules += [_if_second(numbers["fcntl"], _OWNED), _if_second(numbers["ioctl"], _OWNS)]
    rules += [_unless(numbers["prlimit64"], (0, pid), errno.EPERM), *([] if truncation else _uncut(numbers))]
    if not network:
        rules += [_refuse(numbers[name], errno.EACCES) for name in _NETWORK]
    if not processes:
        rules += [_refuse(numbers[name], errno.EAGAIN) for name in _FORK if name in numbers]
        rules += [_refuse(numbers["clone3"], errno.ENOSYS), _threads_only(numbers["clone"])]
        rules += [_unless(numbers[name], (pid,), errno.EPERM) for name in _SIGNALS]
    start = [
        _load(4),
        _jump(0x15, _ARCHITECTURES[machine], 1, 0), _return(_ERRNO | errno.EPERM),
        _load(0),
        _jump(0x35, 0x40000000, 0, 1), _return(_ERRNO | errno.ENOSYS),  # the x32 interface has numbers of its own
    ]  # fmt: skip
    return [*start, *(instruction for rule in rules for instruction in rule), _return(_ALLOW)]


def _load(offset: int) -> bytes:
    return struct.pack("<HBBI", 0x20, 0, 0, offset)


def _jump(how: int, value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("<HBBI", how, then, otherwise, value)


def _return(value: int) -> bytes:
    return struct.pack("<HBBI", 0x06, 0, 0, value)


def _refuse(number: int, error: int) -> list[bytes]:
    return [_jump(0x15, number, 0, 1), _return(_ERRNO | error)]


def _unless(number: int, allowed: Sequence[int], error: int) -> list[bytes]:
    """Refuse the call unless its first argument (low half) is one of these."""
    tests = [_jump(0x15, value, len(allowed) - place, 0) for place, value in enumerate(allowed)]
    body = [_load(16), *tests, _return(_ERRNO | error), _return(_ALLOW)]
    return [_jump(0x15, number, 0, len(body)), *body]


def _if_second(number: int, refused: Sequence[int]) -> list[bytes]:
    """Refuse the call if its second argument (low half: the kernel takes no more) is one of these."""
    tests = [_jump(0x15, value, len(refused) - place, 0) for place, value in enumerate(refused)]
    body = [_load(24), *tests, _return(_ALLOW), _return(_ERRNO | errno.EPERM)]
    return [_jump(0x15, number, 0, len(body)), *body]


def _uncut(numbers: Mapping[str, int]) -> list[list[bytes]]:
    """Before Landlock knew of it, who may read a file could cut it, by its path or by opening it to read."""
    rules = [_refuse(numbers["truncate"], errno.EPERM), _refuse(numbers["openat2"], errno.ENOSYS)]
    for name, flags in (("open", 24), ("openat", 32)):
        if name in numbers:
            writes = [struct.pack("<HBBI", 0x54, 0, 0, 3), _jump(0x15, 1, 2, 0), _jump(0x15, 2, 1, 0)]  # flags & O_ACCMODE
            body = [_load(flags), _jump(0x45, _TRUNCATING, 0, 4), *writes, _return(_ERRNO | errno.EPERM), _return(_ALLOW)]
            rules.append([_jump(0x15, numbers[name], 0, len(body)), *body])
    return rules


def _threads_only(number: int) -> list[bytes]:
    body = [_load(16), _jump(0x45, _CLONE_THREAD, 1, 0), _return(_ERRNO | errno.EAGAIN), _return(_ALLOW)]
    return [_jump(0x15, number, 0, len(body)), *body]
