"""`python -m modelyard.runtime.batch`: one batch, as another program asks for it.

One line of JSON comes in: `{"order": …, "place": …, "batch": …, "engine": …, "processes": …}`. Lines of JSON go out, each with a
`type`: `progress` whenever a part is done, then `result` or `error`. It ends when its input does: whoever asked is gone.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core.errors import ModelyardError
from modelyard.core.logs import configure_logs
from modelyard.runtime.batch.engines import engine
from modelyard.runtime.batch.model import Order, Place
from modelyard.runtime.batch.running import Batches


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes in."""

    order: Order
    place: Place
    batch: str | None = None
    engine: str = "local"
    processes: int | None = None
    ray_address: str | None = None


class Told(msgspec.Struct, frozen=True, tag="error"):
    """Why there is no result."""

    code: str
    detail: str
    field: str | None
    hint: str | None


def main() -> int:
    """Returns 0, or 1 after an error, which the last line tells."""
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a model prints must not look like a word of ours
    configure_logs()

    def tell(word: Any) -> None:
        told.write(msgspec.json.encode(word) + b"\n")

    try:
        asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Asked, dec_hook=lambda _, value: Path(value))
        threading.Thread(target=_end_with_input, name="input", daemon=True).start()
        work = engine(asked.engine, asked.processes, asked.ray_address, beside=1)  # the thread that reads the input
        tell(Batches(asked.place, work, tell).run(asked.order, asked.batch))
    except ModelyardError as error:
        tell(Told(error.code, error.detail, error.field, error.hint))
        return 1
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        tell(Told("invalid_input", f"the order cannot be read: {error}", None, None))
        return 1
    return 0


def _end_with_input() -> None:
    """Nobody listens any more: end at once. Whatever is under way is gone on with by the next run."""
    while os.read(0, 1 << 16):
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
