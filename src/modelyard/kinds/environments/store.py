"""Environments on the disk: one folder for each lock, Python and platform; made whole or not at all; the oldest go first."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, time
from typing import IO, Any, Self

from modelyard.core.errors import InvalidInput, ModelyardError, StorageFull, Unavailable
from modelyard.kinds.environments import building, interpreters
from modelyard.kinds.environments.bytecode import Bytecode
from modelyard.kinds.environments.interpreters import Interpreter
from modelyard.kinds.environments.locks import python_of, requirements

Progress = Callable[[str], None]
_MADE = b"2"  # how they are made; the first took compiled modules by what a wheel said of itself


class Environment:
    """One environment, kept from removal while it is held. `python` is its interpreter."""

    def __init__(self, folder: Path, interpreter: Interpreter, held: IO[bytes]) -> None:
        self.folder, self.interpreter, self._held = folder, interpreter, held
        self.python = building.python_of(folder)

    @property
    def paths(self) -> tuple[Path, ...]:
        """What its programs must be able to read."""
        home = self.interpreter.program.resolve().parent.parent
        return (self.folder, *(() if home in {Path("/"), Path("/usr")} else (home,)))

    def close(self) -> None:
        """Let go. Safe to call again."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Environments:
    """The environments below a folder, which several processes may share."""

    def __init__(
        self, home: Path, *, most: int = 20, most_bytes: int = 40 << 30, pythons: Sequence[Path] = (), uv: Path | None = None
    ) -> None:
        """Keeps at most `most` environments and `most_bytes` (hard links are counted as files); `pythons` are looked at first."""
        self._home, self._most, self._most_bytes = home.absolute(), most, most_bytes
        self._pythons, self._uv = tuple(pythons), uv
        self._bytecode = Bytecode(self._home / "bytecode")

    def get(self, lock: bytes, python: str = "", say: Progress = lambda _: None) -> Environment:
        """The environment of a lock, built unless it is there. `python` is the version wanted ("3.12"); if empty the lock's
        comments say, or else it is ours.

        Raises InvalidInput (the lock), Unavailable (no such Python, no uv, no network), StorageFull or TimedOut.
        """
        started = monotonic()
        text = _text(lock)
        requirements(text)
        uv = self._uv or building.find_uv()
        interpreter = interpreters.find(python or python_of(text), self._pythons, uv)
        try:
            found = self._held(lock, interpreter, uv, say)
        except OSError as error:
            raise _storage(error) from error
        say(f"the environment is ready ({monotonic() - started:.2f} s)")
        return found

    def listing(self) -> list[dict[str, Any]]:
        """What is kept, the last used first: key, python, bytes, used (seconds since 1970)."""
        found = []
        for facts in self._home.glob("*/environment.json"):
            with suppress(OSError, ValueError):
                found.append(json.loads(facts.read_bytes()) | {"key": facts.parent.name, "used": facts.stat().st_mtime})
        return sorted(found, key=lambda one: one["used"], reverse=True)

    def trim(self) -> list[str]:
        """Remove what was used longest ago, until the bounds hold. What anybody uses stays. The keys of those removed."""
        kept = self.listing()
        count, total, removed = len(kept), sum(one["bytes"] for one in kept), []
        for one in reversed(kept):
            if count <= self._most and total <= self._most_bytes:
                break
            if self._remove(one["key"]):
                removed.append(one["key"])
                count, total = count - 1, total - one["bytes"]
        return removed

    def _held(self, lock: bytes, interpreter: Interpreter, uv: Path, say: Progress) -> Environment:
        """Build under the key's lock unless it is there; hold it with the same lock, shared."""
        key = _key(lock, interpreter)
        folder = self._home / key
        self._home.mkdir(parents=True, exist_ok=True)
        while True:
            held = (self._home / f"{key}.lock").open("ab")
            try:
                fcntl.flock(held, fcntl.LOCK_SH)
                if (folder / "environment.json").is_file():
                    os.utime(folder / "environment.json")
                    return Environment(folder, interpreter, held)
                _wait(held, say)
                if not (folder / "environment.json").is_file():
                    self._build(lock, interpreter, uv, folder, say)
            except BaseException:
                held.close()
                raise
            held.close()  # then hold it shared: somebody may have removed it in between, so look again

    def _build(self, lock: bytes, interpreter: Interpreter, uv: Path, folder: Path, say: Progress) -> None:
        self._sweep(folder.name)
        with tempfile.TemporaryDirectory(dir=self._home, prefix=f".{folder.name}-", ignore_cleanup_errors=True) as made:
            whole = Path(made) / "environment"
            (pinned := Path(made) / "lock.txt").write_bytes(lock)
            building.build(uv, interpreter, pinned, whole, say)
            compiled = self._bytecode.bring(whole, interpreter)
            size = _size(whole)
            facts = {
                "python": interpreter.version,
                "platform": interpreter.platform,
                "bytes": size,
                "made": time(),
                "compiled": compiled,
            }
            (whole / "environment.json").write_text(json.dumps(facts))
            whole.rename(folder)
        self.trim()

    def compile(self, environment: Environment) -> None:
        """Compile an environment's modules and keep them for the next, unless that was done. Takes seconds; run it when nobody
        waits. Waits for another process that does it."""
        facts = environment.folder / "environment.json"
        with (self._home / f"{environment.folder.name}.compiling").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = json.loads(facts.read_bytes())
            if not told["compiled"]:
                self._bytecode.compile(environment.folder, environment.interpreter)
                _replace(facts, told | {"compiled": True, "bytes": _size(environment.folder)})

    def compile_later(self, environment: Environment) -> threading.Thread:
        """`compile` in a thread of its own, which holds the environment."""
        held = (self._home / f"{environment.folder.name}.lock").open("ab")
        fcntl.flock(held, fcntl.LOCK_SH)

        def work() -> None:
            with held, suppress(OSError, ValueError):  # a start that is slower next time, and no more
                self.compile(environment)

        thread = threading.Thread(target=work, name="modelyard-compile", daemon=True)
        thread.start()
        return thread

    def _sweep(self, key: str) -> None:
        """What a killed builder of the same key left; the key's lock is ours."""
        for left in self._home.glob(f".{key}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _remove(self, key: str) -> bool:
        with _alone(self._home / f"{key}.lock") as alone:
            if alone:
                gone = self._home / f".{key}-removed"
                shutil.rmtree(gone, ignore_errors=True)
                with suppress(FileNotFoundError):
                    (self._home / key).rename(gone)  # never half there
                    shutil.rmtree(gone, ignore_errors=True)
            return alone


def _wait(lock: IO[bytes], say: Progress) -> None:
    """Hold the lock alone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another process that makes it")
        fcntl.flock(lock, fcntl.LOCK_EX)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock; held meanwhile."""
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _key(lock: bytes, interpreter: Interpreter) -> str:
    """By content, and by what it was made with: an interpreter that moved or grew makes another environment."""
    parts = [lock, *(part.encode() for part in (interpreter.version, interpreter.platform, interpreter.implementation))]
    parts += [str(interpreter.program.resolve()).encode(), _MADE]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:40]


def _text(lock: bytes) -> str:
    try:
        return lock.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the lock is not text", field="environment_lock") from error


def _replace(path: Path, facts: dict[str, Any]) -> None:
    used = path.stat().st_mtime
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(facts))
    os.utime(temporary, (used, used))
    temporary.replace(path)


def _size(folder: Path) -> int:
    total, waiting = 0, [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def _storage(error: OSError) -> ModelyardError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull("there is no room for the environment", hint="free some room, or lower how many are kept")
    return Unavailable(
        f"environments cannot be kept: {error.strerror or error} ({error.filename})", hint="look at the folder's rights"
    )
