"""What a child may not do: the filter of system calls on both processors, and what happens where the platform cannot confine."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from kinds_foreign import DOUBLING, foreign, limits, rows

from modelyard.core.errors import Unavailable
from modelyard.kinds.environments import Environments
from modelyard.kinds.sandbox import Limits, NativePredictor, hide, process
from modelyard.kinds.shim import confine

ALLOWED = 0x7FFF0000
PID = 4321


def judged(
    machine: str,
    name: str | int,
    first: int = 0,
    second: int = 0,
    third: int = 0,
    *,
    arch: int | None = None,
    **grants: bool | int,
) -> int | str:
    """What the filter says to a call: `allowed`, or the error number. An interpreter of classic BPF, after the kernel's rules."""
    terms = {"network": False, "processes": 0, "truncation": True, **grants}
    code = confine.program(
        machine, PID, network=bool(terms["network"]), processes=int(terms["processes"]), truncation=bool(terms["truncation"])
    )
    number = confine._CALLS[machine][name] if isinstance(name, str) else name
    given = (first & 0xFFFFFFFFFFFFFFFF, second, third)
    data = struct.pack("<IIQQQQ", number, arch or confine._ARCHITECTURES[machine], 0, *given)
    place = held = 0
    for _ in range(len(code)):
        how, then, otherwise, value = struct.unpack("<HBBI", code[place])
        place += 1
        if how == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif how == 0x54:
            held &= value
        elif how == 0x06:
            return "allowed" if value == ALLOWED else value & 0xFFFF
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[how]
            place += then if true else otherwise
    raise AssertionError("the filter does not end")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_of_calls(machine: str) -> None:
    read = {"x86_64": 0, "aarch64": 63}[machine]
    assert judged(machine, read) == "allowed"
    for name in ("socket", "connect", "bind", "listen"):
        assert judged(machine, name) == errno.EACCES
        assert judged(machine, name, network=True) == "allowed"
    assert judged(machine, "clone", 0x003D0F00) == "allowed"  # a thread, as glibc makes it
    assert judged(machine, "clone", 0x01200011) == errno.EAGAIN  # a process
    assert judged(machine, "clone", 0x01200011, processes=4) == "allowed"
    assert judged(machine, "clone3") == errno.ENOSYS
    assert judged(machine, "kill", PID) == "allowed"
    assert judged(machine, "kill", PID + 1) == errno.EPERM
    assert judged(machine, "tgkill", -1) == errno.EPERM
    assert judged(machine, "prlimit64", 0) == judged(machine, "prlimit64", PID) == "allowed"
    assert judged(machine, "prlimit64", 1) == errno.EPERM
    assert judged(machine, "fchmodat") == 0  # said to be done, and not done
    assert judged(machine, "io_uring_setup") == errno.ENOSYS
    for name in ("ptrace", "setsid", "unshare", "mount", "bpf", "process_vm_writev", "pidfd_getfd", "setns", "keyctl"):
        assert judged(machine, name) == judged(machine, name, network=True, processes=9) == errno.EPERM
    assert judged(machine, read, arch=0x40000003) == errno.EPERM  # 32-bit calls have other numbers
    assert judged(machine, read | 0x40000000) == errno.ENOSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_signal_by_a_file_and_no_memory_that_nobody_counts(machine: str) -> None:
    for refused in (fcntl.F_SETOWN, 10, 15, fcntl.F_SETOWN | 1 << 32):
        assert judged(machine, "fcntl", 5, refused, processes=4) == errno.EPERM
    assert judged(machine, "fcntl", 5, fcntl.F_SETFL) == judged(machine, "fcntl", 8, fcntl.F_GETFL) == "allowed"
    assert judged(machine, "ioctl", 5, 0x8901) == judged(machine, "ioctl", 5, 0x8902) == errno.EPERM
    assert judged(machine, "ioctl", 5, 0x5401) == "allowed"
    for name in ("memfd_create", "shmget", "shmat", "semget", "msgget", "mq_open"):
        assert judged(machine, name) == errno.ENOSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_files_are_not_cut_where_landlock_does_not_know_of_it(machine: str) -> None:
    read, write, both, odd, cut = os.O_RDONLY, os.O_WRONLY, os.O_RDWR, 3, os.O_TRUNC
    assert judged(machine, "truncate") == judged(machine, "openat", 0, 0, read | cut) == "allowed"
    assert judged(machine, "truncate", truncation=False) == errno.EPERM
    assert judged(machine, "openat2", truncation=False) == errno.ENOSYS
    for flags in (read | cut, odd | cut, read | cut | os.O_CREAT):
        assert judged(machine, "openat", 0, 0, flags, truncation=False) == errno.EPERM
    for flags in (read, write | cut, both | cut, odd, read | os.O_CLOEXEC):
        assert judged(machine, "openat", 0, 0, flags, truncation=False) == "allowed"
    if machine == "x86_64":
        assert judged(machine, "open", 0, read | cut, truncation=False) == errno.EPERM
        assert judged(machine, "open", 0, write | cut, truncation=False) == "allowed"


OLDER = """
import fcntl, os, socket, signal, sys
sys.path.insert(0, {folder!r})
from shim import confine
confine._landlock = lambda libc: 2
reading, writing = os.pipe()
limits = dict(memory_bytes=1 << 32, file_bytes=1 << 20, open_files=64, processes={processes})
missing = confine.apply(dict(limits=limits, lifeline=reading, read=[{log!r}], write=[{own!r}]))
def owned():
    fcntl.fcntl(socket.socketpair()[0], fcntl.F_SETOWN, os.getppid())
for deed in (
    lambda: os.truncate({log!r}, 0), lambda: os.open({log!r}, os.O_RDONLY | os.O_TRUNC), owned, lambda: os.memfd_create("x"),
):
    try: deed(); print("done")
    except OSError as error: print(error.errno)
with open({own!r} + "/mine", "w") as file: file.write("x" * 9); file.flush(); file.truncate(3)
print(os.path.getsize({own!r} + "/mine"), missing)
"""


@pytest.mark.parametrize("processes", [0, 3])
def test_an_older_landlock_confines_as_well(processes: int, tmp_path: Path) -> None:
    (log := tmp_path / "log").write_text("kept")
    (own := tmp_path / "own").mkdir()
    shim = str(Path(confine.__file__).parent.parent)
    code = OLDER.format(folder=shim, log=str(log), own=str(own), processes=processes)
    *deeds, end = subprocess.check_output([sys.executable, "-I", "-c", code], text=True).splitlines()
    assert deeds == [str(errno.EPERM)] * 3 + [str(errno.ENOSYS)]
    assert log.read_text() == "kept"
    assert end.startswith("3 ")
    assert ("scope of signals" in end) == bool(processes)


def test_the_platforms_home_is_not_read_even_below_what_every_program_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (keys := tmp_path / "lib" / "home" / "keys").mkdir(parents=True)
    (model := keys.parent / "model.py").write_text(READER.format(key=str(keys / "key"), other=str(tmp_path / "lib" / "other")))
    for path in (keys / "key", tmp_path / "lib" / "other"):
        path.write_text("7")
    monkeypatch.setattr(process, "_hidden", set())
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "lib"))  # what every program may read
    environments = Environments(tmp_path / "environments")
    with foreign(environments, model) as open_home:
        assert open_home.predict(rows(1))["prediction"] == [14]
    hide(keys.parent)
    with foreign(environments, model) as hidden:
        assert hidden.predict(rows(1))["prediction"] == [6]


def test_a_process_that_knows_of_many_homes_starts_children_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child is told goes with its command, and a command has an end."""
    monkeypatch.setattr(process, "_hidden", set())
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "lib"))
    hide(*(tmp_path / f"home-{number}" for number in range(20_000)), tmp_path / "lib" / "home")
    assert process.terms(Limits(), tmp_path, [])["hidden"] == [str(tmp_path / "lib" / "home")]


READER = """
def seen(path):
    try: return int(open(path).read())
    except PermissionError: return -1
def load(path): return seen({key!r}) + seen({other!r})
def predict(m, b): return [float(m)]
"""


def test_nothing_of_opt_is_read_unless_the_interpreter_lies_there() -> None:
    assert not [path for path in confine.SYSTEM if path.startswith("/opt")]


def test_every_call_of_a_rule_has_a_number_on_both_processors() -> None:
    ruled = {*confine._NETWORK, *confine._SIGNALS, *confine._NEVER, *confine._RING, "clone", "clone3", "prlimit64", "fchmodat"}
    ruled |= {*confine._SHARED, "fcntl", "ioctl", "openat", "openat2", "truncate"}
    for numbers in confine._CALLS.values():
        assert ruled <= set(numbers)
        assert len(set(numbers.values())) == len(numbers)


UNCONFINABLE = """
import sys; sys.path.insert(0, {folder!r})
from shim import confine
confine.platform.machine = lambda: "riscv64"
confine._files = lambda *_: ["landlock"]
terms = dict(limits=dict(memory_bytes=1 << 32, file_bytes=1 << 20, open_files=64), demand={demand})
try:
    print(confine.apply(terms))
except confine.Unconfined as error:
    print(error.code, error.detail)
"""


@pytest.mark.parametrize(
    ("demand", "said"),
    [(False, "['capset', 'landlock', 'seccomp']"), (True, "unavailable this platform cannot confine a model")],
)
def test_what_the_platform_cannot_do_is_told_or_refused(demand: bool, said: str) -> None:
    code = UNCONFINABLE.format(folder=str(Path(confine.__file__).parent.parent), demand=demand)
    assert said in subprocess.check_output([sys.executable, "-I", "-c", code], text=True)


def test_policy_can_refuse_a_child_that_is_not_confined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root the kernel counts no processes: who may start some and demands all limits is refused, and told otherwise."""
    if os.getuid() != 0:
        pytest.skip("every limit can be enforced for this user")
    (path := tmp_path / "model.py").write_text(DOUBLING)
    environments = Environments(tmp_path / "home")
    with foreign(environments, path, limits=limits(processes=3)) as told:
        assert told.predict(rows(1))["prediction"] == [2]
        assert told.missing == ("limit on processes for root",)
        assert told.status()["unenforced"] == ["limit on processes for root"]
    with (
        foreign(environments, path, limits=limits(processes=3, demand=True)) as refused,
        pytest.raises(Unavailable, match="cannot confine a model as the policy demands: it has no limit on processes"),
    ):
        refused.predict(rows(1))
    (model := tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot confine"):
        NativePredictor(model, limits=Limits(processes=3, demand=True))


def test_modes_are_not_changed_and_nobody_is_told(tmp_path: Path) -> None:
    """Landlock does not cover them: without this a model could close the runtime's own files to it."""
    (victim := tmp_path / "victim").write_text("")
    victim.chmod(0o640)
    (path := tmp_path / "model.py").write_text(
        f"import os\ndef load(p): os.chmod({str(victim)!r}, 0); return 2\ndef predict(m, b): return [v * m for v in b['a']]\n"
    )
    with foreign(Environments(tmp_path / "home"), path) as predictor:
        assert predictor.predict(rows(1))["prediction"] == [2]
    assert victim.stat().st_mode & 0o777 == 0o640


def test_a_child_sees_no_secrets_and_no_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_TOKEN", "secret")
    (path := tmp_path / "model.py").write_text(
        "import os\n"
        "def load(p): return len(os.listdir('/proc/self/fd')), 'secret' in str(os.environ)\n"
        "def predict(m, b): return [float(m[0] * 10 + m[1])]\n"
    )
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        with foreign(Environments(tmp_path / "home"), path) as predictor:
            assert predictor.predict(rows(1))["prediction"][0] <= 60  # 0, 1, 2, the socket, the lifeline, and the listing's own
    finally:
        os.close(reading)
        os.close(writing)
