"""What a child may not do: the filter of system calls on both processors, and what happens where the platform cannot confine."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from kinds_foreign import DOUBLING, foreign, limits, rows

from modelyard.core.errors import Unavailable
from modelyard.kinds.environments import Environments
from modelyard.kinds.sandbox import Limits, NativePredictor
from modelyard.kinds.shim import confine

ALLOWED = 0x7FFF0000
PID = 4321


def judged(machine: str, name: str | int, first: int = 0, *, arch: int | None = None, **grants: bool | int) -> int | str:
    """What the filter says to a call: `allowed`, or the error number. An interpreter of classic BPF, after the kernel's rules."""
    terms = {"network": False, "processes": 0, **grants}
    code = confine.program(machine, PID, network=bool(terms["network"]), processes=int(terms["processes"]))
    number = confine._CALLS[machine][name] if isinstance(name, str) else name
    data = struct.pack("<IIQQ", number, arch or confine._ARCHITECTURES[machine], 0, first & 0xFFFFFFFFFFFFFFFF)
    place = held = 0
    for _ in range(len(code)):
        how, then, otherwise, value = struct.unpack("<HBBI", code[place])
        place += 1
        if how == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
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


def test_every_call_of_a_rule_has_a_number_on_both_processors() -> None:
    ruled = {*confine._NETWORK, *confine._SIGNALS, *confine._NEVER, *confine._RING, "clone", "clone3", "prlimit64", "fchmodat"}
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
