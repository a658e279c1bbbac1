"""Starts and ends children: own session, clean environment, a private folder that goes with them, death told in words."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from modelyard.core.errors import InvalidArtifact, ModelyardError, TimedOut
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.shim.confine import SYSTEM, own_paths
from modelyard.kinds.shim.serving import STARVED

_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_GRACE_SECONDS = 5.0


_hidden: set[str] = set()


def hide(*folders: Path) -> None:
    """No child of this process that starts from now on reads these folders (the platform's home with its keys and logs), even
    where they lie below what every program may read. What is named to the child by itself, such as its model, it reads."""
    _hidden.update(str(folder.absolute()) for folder in folders)


def environment(own: Mapping[str, str], private: Path) -> dict[str, str]:
    """What a child sees of our environment: how to find programs and to write text, one thread, and its own folder."""
    kept = {name: value for name, value in own.items() if name in _KEPT or name.startswith("OPENBLAS_")}
    folder = str(private)
    return kept | dict.fromkeys(_ONE_THREAD, "1") | {"HOME": folder, "TMPDIR": folder, "PYTHONHASHSEED": "0"}


def _hidden_below(read: Iterable[str]) -> list[str]:
    """The hidden folders that lie where a child may read; the others are out of its reach anyway. What a child is told goes with
    its command, which is bounded, while a process may know of any number of homes."""
    roots = tuple({os.path.realpath(path).rstrip("/") + "/" for path in read})
    return sorted(path for path in _hidden if (os.path.realpath(path) + "/").startswith(roots))


def _interpreters(read: Iterable[Path]) -> list[str]:
    """Where the Pythons of the environments among these folders are."""
    found = []
    for folder in read:
        with suppress(OSError):
            lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
            homes = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"]
            found += [str(Path(home).parent) for home in homes]
    return found


def terms(
    limits: Limits, private: Path, read: Sequence[Path], write: Sequence[Path] = (), lifeline: int | None = None
) -> dict[str, Any]:
    """What a child is told to confine itself to (`modelyard.kinds.shim.confine.apply`)."""
    return {
        "limits": limits.model_dump(mode="json"),
        "read": [str(path) for path in read],
        "write": [str(private), *(str(path) for path in write)],
        "hidden": _hidden_below([*SYSTEM, *own_paths(), *map(str, read), *_interpreters(read)]),
        "network": limits.network,
        "demand": limits.demand,
        "lifeline": lifeline,
    }


def start(command: list[str], private: Path, pass_fds: tuple[int, ...], stdin: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """A child as the head of its own process group, with nothing of ours but what is passed; its stderr is a pipe."""
    return subprocess.Popen(
        command,
        stdin=stdin if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        cwd=private,
        env=environment(os.environ, private),
        start_new_session=True,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the child's whole group."""
    with suppress(ProcessLookupError):  # the head has not been reaped, so its number names this group and no other
        os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes]) -> int:
    """Kill the child's whole group, reap it and give its exit status; safe to call again."""
    if process.returncode is None:
        kill(process)
        process.wait()
    if process.stderr is not None:
        process.stderr.close()
    return process.returncode


def ended(process: subprocess.Popen[bytes], last: Callable[[], None] | None = None) -> int | None:
    """How the child ended by itself, given a moment to do so; None when it had to be killed. Its group is gone after.

    `last` is called when all of the group are dead and stderr is still open.
    """
    if process.returncode is not None:
        return process.returncode
    by_itself = _ends(process)
    kill(process)
    if last is not None:
        last()
    code = end(process)
    return code if by_itself else None


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Whether the child ends within the grace period. A pidfd waits without reaping, so that `end` still names its group."""
    if not hasattr(os, "pidfd_open"):  # not Linux
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        return process.returncode is not None
    descriptor = os.pidfd_open(process.pid)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(_GRACE_SECONDS * 1000))
    finally:
        os.close(descriptor)


def death(code: int | None, limits: Limits, stderr: str) -> ModelyardError:
    """Why a child that gave no answer is gone, as an error that says which signal or limit."""
    if code is None:
        return TimedOut("the child closed its answer and did not end", hint="the artifact may be hostile")
    if code == -signal.SIGXCPU:
        return TimedOut(f"the work took more than {limits.cpu_seconds} seconds of processor time and was stopped")
    if _out_of_memory(code, stderr):
        return memory_error(limits)
    said = f": {stderr[-300:].strip()}" if stderr.strip() else ""
    if code < 0:
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"signal {-code}"
        meaning = _MEANINGS.get(-code, "")
        return InvalidArtifact(f"the artifact ended the process that read it with {name}{meaning}{said}", field="artifact")
    return InvalidArtifact(f"the process that read the artifact ended with status {code} and no answer{said}", field="artifact")


def memory_error(limits: Limits) -> InvalidArtifact:
    """The artifact wanted more memory than it may have."""
    return InvalidArtifact(
        f"the artifact needs more than the {limits.memory_bytes >> 20} MB of memory allowed",
        field="artifact",
        hint="raise the memory limit if the model is honest",
    )


_MEANINGS: dict[int, str] = {
    signal.SIGABRT: " (the engine gave up: a corrupt model file)",
    signal.SIGSEGV: " (a fault in memory: a corrupt model file)",
    signal.SIGKILL: " (killed, most likely for want of memory)",
    signal.SIGXFSZ: " (it wrote a larger file than allowed)",
}


def _out_of_memory(code: int, stderr: str) -> bool:
    return code in {-signal.SIGABRT, 1} and any(words in stderr.lower() for words in STARVED)
