"""`python -m tests.batch.batch_coordinator PLACE ORDER ENGINE [NTH POINT]`: a batch in a process of its own, to be killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec

from modelyard.core.faults import FaultAt
from modelyard.runtime.batch import Batches, Order, Place
from modelyard.runtime.batch.engines import Inline, Processes


def main() -> None:
    place = msgspec.json.decode(sys.argv[1], type=Place, dec_hook=lambda kind, value: Path(value))
    order = msgspec.json.decode(sys.argv[2], type=Order)
    if sys.argv[3] == "inline":
        fault = FaultAt(sys.argv[5], lambda: os.kill(os.getpid(), signal.SIGKILL), int(sys.argv[4]))
        Batches(place, Inline(fault)).run(order)
    else:
        Batches(place, Processes(2), told=lambda p: print(p.parts, flush=True)).run(order)


if __name__ == "__main__":
    main()
