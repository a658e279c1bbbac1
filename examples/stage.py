"""What every demo needs of the machine: a folder of its own, a free port, a voice with the time."""

from __future__ import annotations

import fcntl
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import Progress

from modelyard.core.errors import Unavailable, WrongState

Say = Callable[[str], None]


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """A fresh folder that no other demo uses. Raises WrongState when one does, or when the folder holds something else."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(home.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WrongState("another demo is running", hint="stop it with Ctrl-C, or choose another --home") from error
        if home.exists():
            if any(home.iterdir()) and not (home / "modelyard.db").exists():
                raise WrongState(f"{home} holds something else", field="--home", hint="choose another folder")
            shutil.rmtree(home)
        home.mkdir()
        yield


def free_port(preferred: int) -> int:
    """That port of this machine, or another one when it is taken."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no port is free")


def teller(progress: Progress, started: float) -> Say:
    """Prints lines above the progress bar, with the seconds since the start."""

    def say(text: str) -> None:
        progress.console.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {escape(text)}", soft_wrap=True)

    return say
