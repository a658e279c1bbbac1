"""Makes one environment with uv: an empty one, then exactly what the lock names, then its bytecode."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from modelyard.core.errors import InvalidInput, ModelyardError, StorageFull, TimedOut, Unavailable
from modelyard.kinds.environments.interpreters import Interpreter

_PATIENCE = 3600
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None  # found now: between fork and exec nothing may be looked up
_FULL = ("no space left on device", "os error 28", "disk quota exceeded", "os error 122")
_UNREACHABLE = (
    "error sending request",
    "failed to fetch",
    "dns error",
    "connection refused",
    "timed out",
    "network was disabled",
)


def find_uv() -> Path:
    """uv: beside our interpreter, on the PATH, or where its package has it. Raises Unavailable."""
    beside = Path(sys.executable).parent / "uv"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("uv")
    if found is not None:
        return Path(found)
    try:
        import uv  # type: ignore[import-not-found, unused-ignore]  # without types, and only where it is installed
    except ImportError as error:
        raise Unavailable("uv is not installed, which builds environments", hint="pip install uv") from error
    return Path(uv.find_uv_bin())


def build(uv: Path, interpreter: Interpreter, lock: Path, into: Path, say: Callable[[str], None]) -> None:
    """Make the environment at `into`. Only wheels are taken: making one from sources would run strangers' code with our rights.

    Raises InvalidInput for a lock that cannot be installed, StorageFull, TimedOut, or Unavailable.
    """
    say(f"making an environment for Python {interpreter.version}")
    _run([str(uv), "venv", "--relocatable", "--no-project", "--python", str(interpreter.program), str(into)], lambda _: None)
    say("resolving, downloading and linking what the lock names")
    command = [
        str(uv), "pip", "sync", "--require-hashes", "--link-mode", "hardlink", "--only-binary", ":all:", "--no-python-downloads",
        "--allow-empty-requirements", "--python", str(python_of(into)), str(lock),
    ]  # fmt: skip
    _run(command, say)


def python_of(folder: Path) -> Path:
    """An environment's interpreter."""
    return folder / "bin" / "python"


def _run(command: list[str], say: Callable[[str], None]) -> None:
    """uv, its lines told as they come; its error as one of ours."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            preexec_fn=die_with_us,  # noqa: PLW1509  it makes one call of the system, found beforehand
        )
    except OSError as error:
        raise Unavailable(f"uv cannot be started: {error.strerror or error}", hint="pip install uv") from error
    lines: list[str] = []
    with process:
        for line in process.stderr or ():
            lines.append(line.rstrip())
            if lines[-1].startswith(("Resolved", "Downloading", "Prepared", "Installed")):
                say(lines[-1])
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired as late:
            process.kill()
            raise TimedOut("uv did not end within an hour") from late
    if process.returncode:
        raise _told("\n".join(lines))


def die_with_us() -> None:
    """In a child, before its program: the kernel kills it when the thread that started it is gone, so that nobody writes on into
    a folder that others have swept."""
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _environment() -> dict[str, str]:
    """Ours, with uv's own configuration; not what would make it work on another environment."""
    dropped = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON")
    kept = {k: v for k, v in os.environ.items() if k not in dropped and not k.startswith("PYTHON")}
    return kept | {"UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


def _told(said: str) -> ModelyardError:
    """uv's words as an error: what is wrong with the lock, or what this machine lacks."""
    words, short = said.lower(), _short(said)
    if any(full in words for full in _FULL):
        return StorageFull("there is no room for the environment", hint="free some room, or lower how many are kept")
    if "hash mismatch" in words:
        return InvalidInput(
            f"a package is another than the lock says: {short}", field="environment_lock", hint="resolve the lock again"
        )
    if any(one in words for one in _UNREACHABLE):
        return Unavailable(
            f"the packages cannot be fetched now: {short}", hint="look at uv's configuration of indexes, and at the network"
        )
    return InvalidInput(
        f"the environment cannot be built: {short}",
        field="environment_lock",
        hint="each package needs a wheel for this platform and Python in an index of uv's configuration",
    )


def _short(said: str) -> str:
    kept = [line.strip(" ×╰─▶│├") for line in said.splitlines()]
    return " ".join(line for line in kept if line and not line.startswith(("Using ", "hint:")))[:600]
