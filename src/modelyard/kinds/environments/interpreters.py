"""Finds an interpreter of a version on this machine. None is ever downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from modelyard.core.errors import InvalidInput, Unavailable

_ASK = "import platform, sys, sysconfig; print(platform.python_version(), sysconfig.get_platform(), sys.implementation.name)"
_PATIENCE = 20


class Interpreter(NamedTuple):
    """A Python: its program, full version, platform and implementation (`cpython`, `pypy`)."""

    program: Path
    version: str
    platform: str
    implementation: str


def find(wanted: str, given: Sequence[Path], uv: Path) -> Interpreter:
    """An interpreter of `wanted` ("3.12" or "3.12.1"; empty: the one that runs us), CPython first.

    Looks at those given, then at our own, at the PATH, at pyenv's, and at those that uv knows. A program that cannot be run (as
    pyenv's place-holders) is passed over. Raises Unavailable when there is none.
    """
    if wanted and not _is_version(wanted):
        raise InvalidInput(f"{wanted!r:.40} is no version of Python", field="python", hint="for example 3.12")
    seen: list[str] = []
    others: list[Interpreter] = []
    for program in _candidates(wanted, given, uv):
        found = ask(program)
        if found is None:
            continue
        if not wanted or found.version == wanted or found.version.startswith(wanted + "."):
            if found.implementation == "cpython" or program in given:
                return found
            others.append(found)
        seen.append(found.version)
    if others:
        return others[0]
    known = f"; there is {', '.join(dict.fromkeys(seen))}" if seen else ""
    raise Unavailable(
        f"there is no Python {wanted} on this machine{known}",
        field="python",
        hint=f"install python{wanted}, or name it with --python",
    )


@lru_cache(maxsize=256)
def ask(program: Path) -> Interpreter | None:
    """What a program says of itself; None when it is no Python that runs."""
    try:
        said = subprocess.run(
            [str(program), "-I", "-S", "-c", _ASK], capture_output=True, text=True, timeout=_PATIENCE, check=True
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return Interpreter(program, *said) if len(said) == 3 else None


def _is_version(text: str) -> bool:
    parts = text.split(".")
    return 2 <= len(parts) <= 3 and parts[0] == "3" and all(part.isdecimal() and len(part) <= 3 for part in parts)


def _candidates(wanted: str, given: Sequence[Path], uv: Path) -> Iterator[Path]:
    """In order of preference, each once. uv is asked last: it takes longest."""
    short = ".".join(wanted.split(".")[:2])
    yield from given
    if not wanted or sys.version.split(" ", maxsplit=1)[0].startswith(wanted):
        yield Path(sys.executable)
    if not wanted:
        return
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        program = Path(folder) / f"python{short}"
        if folder and os.access(program, os.X_OK):
            yield program
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob(f"{short}*/bin/python{short}"), reverse=True)
    yield from _of_uv(wanted, uv)
    if (pypy := shutil.which(f"pypy{short}") or shutil.which("pypy3")) is not None:
        yield Path(pypy)


def _of_uv(wanted: str, uv: Path) -> Iterator[Path]:
    said = subprocess.run(
        [str(uv), "python", "find", "--no-python-downloads", wanted], capture_output=True, text=True, check=False, timeout=60
    )
    if said.returncode == 0 and said.stdout.strip():
        yield Path(said.stdout.strip())
