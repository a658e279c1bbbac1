"""Compiled modules by distribution, so that the next environment with the same wheel starts without compiling.

An engine such as scikit-learn imports a thousand modules: compiled, that takes a second, otherwise three. A child may not
write into its environment, so this is done for it. Compiling runs no code of the modules.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from modelyard.kinds.environments.building import die_with_us
from modelyard.kinds.environments.interpreters import Interpreter

_COMPILE = """
import compileall, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for folder in sys.argv[1:]:
    compileall.compile_dir(folder, quiet=2, maxlevels=50, invalidation_mode=mode)
"""


class Bytecode:
    """A folder of compiled modules, for each interpreter and wheel."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def bring(self, environment: Path, interpreter: Interpreter) -> bool:
        """Link what is kept into the environment. True when nothing is missing."""
        whole = True
        for record in _records(environment):
            kept = self._home / _tag(interpreter) / _key(record)
            if kept.is_dir():
                _link_tree(kept, record.parent.parent)
            else:
                whole = False
        return whole

    def compile(self, environment: Path, interpreter: Interpreter) -> None:
        """Compile what has not been compiled, and keep it. Modules that do not compile are left as they are."""
        sites = sorted({record.parent.parent for record in _records(environment)})
        if not sites:
            return
        command = [str(interpreter.program), "-I", "-S", "-c", _COMPILE, *map(str, sites)]
        subprocess.run(command, check=False, capture_output=True, preexec_fn=_kindly)
        for record in _records(environment):
            self._keep(record, self._home / _tag(interpreter) / _key(record), interpreter)

    def _keep(self, record: Path, into: Path, interpreter: Interpreter) -> None:
        if into.is_dir():
            return
        into.parent.mkdir(parents=True, exist_ok=True)
        site = record.parent.parent
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".") as made:
            whole = Path(made) / "tree"
            whole.mkdir()
            for compiled in _compiled(record, interpreter):
                if (site / compiled).is_file():
                    (whole / compiled).parent.mkdir(parents=True, exist_ok=True)
                    _link(str(site / compiled), str(whole / compiled))
            with suppress(OSError):  # another process has kept it meanwhile
                whole.rename(into)


def _kindly() -> None:
    die_with_us()
    os.nice(10)


def _tag(interpreter: Interpreter) -> str:
    return f"{interpreter.implementation}-{interpreter.version}"


def _records(environment: Path) -> Iterator[Path]:
    yield from environment.glob("lib*/python*/site-packages/*.dist-info/RECORD")


def _key(record: Path) -> str:
    """The list of a wheel's files with their hashes names its content."""
    return f"{record.parent.stem}-{hashlib.sha256(record.read_bytes()).hexdigest()[:24]}"


def _compiled(record: Path, interpreter: Interpreter) -> Iterator[PurePosixPath]:
    short = "".join(interpreter.version.split(".")[:2])
    for line in record.read_text(errors="replace").splitlines():
        path = PurePosixPath(line.split(",")[0])
        if path.suffix == ".py" and ".." not in path.parts and not path.is_absolute():
            yield path.parent / "__pycache__" / f"{path.stem}.cpython-{short}.pyc"


def _link_tree(kept: Path, into: Path) -> None:
    """By names alone: there are thousands of files."""
    for folder, _, files in os.walk(kept):
        if files:
            target = f"{into}{folder.removeprefix(str(kept))}"
            os.makedirs(target, exist_ok=True)  # noqa: PTH103
            for name in files:
                _link(f"{folder}/{name}", f"{target}/{name}")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another disk
        shutil.copyfile(source, target)
