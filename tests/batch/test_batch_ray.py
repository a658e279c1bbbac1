"""Batches on a real Ray cluster of this machine: the same bytes as without it, and actors that are killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from modelyard.runtime.batch import Batches
from modelyard.runtime.batch.on_ray import OnRay
from tests.batch.batch_stage import Stage, rows

pytestmark = pytest.mark.slow


def test_ray_gives_the_same_bytes_as_this_process(cluster: Any, tmp_path: Path) -> None:
    found = []
    for name, engine in (("here", None), ("ray", OnRay(2, None))):
        stage = Stage(tmp_path / name)
        order = stage.order(stage.write(rows(700)))
        batches = Batches(stage.place) if engine is None else Batches(stage.place, engine)
        stage.require_whole(batches.run(order, batch="bat_0123456789ab7cdef0123456789abcdef"), rows(700))
        found.append({path.name: path.read_bytes() for path in stage.out.glob("part-*")})
    assert found[0] == found[1]


def test_an_error_of_an_actor_is_raised_as_it_is_here(cluster: Any, tmp_path: Path) -> None:
    from modelyard.core.errors import InvalidInput

    stage = Stage(tmp_path)
    table = rows(300).set_column(2, "b", rows(300)["a"])
    with pytest.raises(InvalidInput, match=r"row 101: 'b' 101\.0 is outside"):
        Batches(stage.place, OnRay(1, None)).run(stage.order(stage.write(table)))


def test_killed_actors_are_replaced_and_nothing_is_lost_or_doubled(cluster: Any, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    table = rows(6000)
    killed = []

    def kill(progress: Any) -> None:
        if progress.parts in (4, 20):
            killed.append(_kill_a_worker(stage))

    result = Batches(stage.place, OnRay(2, None), told=kill).run(stage.order(stage.write(table)))
    assert len(killed) == 2
    stage.require_whole(result, table)


def _kill_a_worker(stage: Stage) -> int:
    """An actor of the batch: a process that has the lock of a writer of this log open."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            held = [str(handle.readlink()) for handle in (folder / "fd").iterdir()]
        except OSError:
            continue
        if any(path.startswith(str(stage.place.log)) and path.endswith("/lock") for path in held):
            os.kill(int(folder.name), signal.SIGKILL)
            return int(folder.name)
    raise AssertionError("no actor writes the log")
