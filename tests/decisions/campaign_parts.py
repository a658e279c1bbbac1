"""The processes of the crash campaign: a writer, a compactor. Each kills itself at a point, if it is told one.

python -m tests.decisions.campaign_parts write ROOT WRITER TURN POINT NTH      says after each commit how many rows are durable
python -m tests.decisions.campaign_parts compact ROOT POINT NTH
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.faults import FaultAt
from modelyard.decisions import Compactor, DecisionLog, Keeping, Limits, Rows
from tests.decisions.decision_rows import SHARED

AT_ONCE = Keeping(commit_bytes=4 << 20, file_bytes=4 << 20, merge_from=4, segments_for=timedelta(0), files_for=timedelta(0))
WRITER_POINTS = (
    "decisions.commit.begun",
    "decisions.commit.written",
    "decisions.segment.starting",
    "decisions.segment.started",
    "decisions.seal",
    "decisions.room.taken",
)
_START = 0x019500000000


def id_of(writer: int, turn: int, number: int) -> str:
    """An id of the usual form that says which row of which process it is."""
    return f"dec_{_START + turn * 1000 + number // 100:012x}7{turn:03d}8{writer:03d}{number:012d}"


def places_of(ids: Any) -> tuple[Any, Any, Any]:
    """Writer, turn and number of each id."""

    def part(start: int, stop: int) -> Any:
        return pc.cast(pc.utf8_slice_codeunits(ids, start, stop), pa.int64()).to_numpy()

    return part(21, 24), part(17, 20), part(24, 36)


def content_of(decision: str) -> tuple[str, str]:
    """Inputs and output that only this decision has."""
    return f'{{"key":"{decision}"}}', f'{{"answer":"{decision}"}}'


def write(root: Path, writer: int, turn: int, faults: FaultAt) -> None:
    sizes = random.Random(writer * 1000 + turn)
    done = 0
    log = DecisionLog(root, f"writer-{writer}", limits=Limits(segment_bytes=400_000, room=100_000), faults=faults)
    _tell(0)
    while True:
        count = sizes.choice((1, 3, 50, 2000))
        ids = [id_of(writer, turn, done + k) for k in range(count)]
        contents = [content_of(i) for i in ids]
        columns = {"id": ids, "inputs": [c[0] for c in contents], "output": [c[1] for c in contents]}
        day = 1_760_000_000_000_000 + (turn % 3) * 86_400_000_000
        log.append(Rows(count, columns, SHARED | {"decision_time": day + done}))
        done += count
        _tell(done)


def compact(root: Path, faults: FaultAt) -> None:
    _tell(0)
    pause = threading.Event()
    while not pause.wait(0.05):
        Compactor(root, keeping=AT_ONCE, faults=faults).run()


def _tell(rows: int) -> None:
    sys.stdout.write(f"{rows}\n")
    sys.stdout.flush()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> None:
    role, root, *rest, point, nth = arguments
    faults = FaultAt(point, _die, int(nth))
    if role == "write":
        write(Path(root), int(rest[0]), int(rest[1]), faults)
    else:
        compact(Path(root), faults)


if __name__ == "__main__":
    main(sys.argv[1:])
