"""Compiled modules by the content of their sources, so that the next environment with the same ones starts without compiling.

An engine such as scikit-learn imports a thousand modules: compiled, that takes a second, otherwise three. A child may not
write into its environment, so this is done for it. Compiling runs no code of the modules.

What is kept is kept under the digest of the very bytes that were compiled. Nothing that a wheel says of itself (its name, its
RECORD, compiled files that it brings) decides what another environment gets: a wheel can only fill the places of its own text.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from modelyard.kinds.environments.building import die_with_us
from modelyard.kinds.environments.interpreters import Interpreter

_COMPILE = """
import hashlib, importlib.util, json, os, sys
from importlib._bootstrap_external import _code_to_hash_pyc
home = sys.argv[1]
for path in json.load(sys.stdin):
    with open(path, "rb") as source:
        data = source.read()
    digest = hashlib.sha256(data).hexdigest()
    kept = os.path.join(home, digest[:2], digest)
    if os.path.exists(kept + ".pyc") or os.path.exists(kept + ".none"):
        continue
    try:
        code = compile(data, path, "exec", dont_inherit=True)
        made, ending = _code_to_hash_pyc(code, importlib.util.source_hash(data), False), ".pyc"
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        made, ending = b"", ".none"
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    with open(kept + "." + str(os.getpid()), "wb") as file:
        file.write(made)
    os.replace(file.name, kept + ending)
"""


class Bytecode:
    """A folder of compiled modules, for each interpreter and text of a module."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def bring(self, environment: Path, interpreter: Interpreter) -> bool:
        """Link what is kept into the environment. True when nothing is missing. What a wheel itself brought compiled stays: it
        serves this environment alone."""
        whole, home, ending = True, self._of(interpreter), _ending(interpreter)
        for source in _sources(environment):
            kept = _kept(home, source)
            if os.path.exists(f"{kept}.pyc"):  # noqa: PTH110  by names alone: there are thousands of files
                folder, name = os.path.split(source)
                os.makedirs(f"{folder}/__pycache__", exist_ok=True)  # noqa: PTH103
                _link(f"{kept}.pyc", f"{folder}/__pycache__/{name.removesuffix('.py')}{ending}")
            elif not os.path.exists(f"{kept}.none"):  # noqa: PTH110
                whole = False
        return whole

    def compile(self, environment: Path, interpreter: Interpreter) -> None:
        """Compile what has not been compiled, keep it, and link it. Modules that do not compile are left as they are."""
        sources = list(_sources(environment))
        if not sources:
            return
        command = [str(interpreter.program), "-I", "-S", "-c", _COMPILE, str(self._of(interpreter))]
        subprocess.run(command, check=False, capture_output=True, preexec_fn=_kindly, input=json.dumps(sources).encode())
        self.bring(environment, interpreter)

    def _of(self, interpreter: Interpreter) -> Path:
        return self._home / f"{interpreter.implementation}-{interpreter.version}"


def _kindly() -> None:
    die_with_us()
    os.nice(10)


def _sources(environment: Path) -> Iterator[str]:
    """The modules that lie in the environment itself; links, which may lead out of it, are passed over."""
    for site in environment.glob("lib*/*/site-packages"):
        if site.parent.parent.is_symlink():  # `lib64` is `lib`
            continue
        for folder, folders, files in os.walk(site):
            if Path(folder, "__pycache__").is_symlink():
                continue
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in files:
                path = f"{folder}/{name}"
                if name.endswith(".py") and not os.path.islink(path):  # noqa: PTH114
                    yield path


def _kept(home: Path, source: str) -> str:
    """Where the compiled form of this text belongs, without its ending."""
    with open(source, "rb") as file:  # noqa: PTH123
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{home}/{digest[:2]}/{digest}"


def _ending(interpreter: Interpreter) -> str:
    major, minor = interpreter.version.split(".")[:2]
    tag = f"cpython-{major}{minor}" if interpreter.implementation == "cpython" else f"{interpreter.implementation}{major}{minor}"
    return f".{tag}.pyc"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another disk, or more links than the disk allows
        shutil.copyfile(source, target)
