"""Every command of life cycles, their instances and tasks: what each group of handlers takes."""

from __future__ import annotations

from typing import Any

from modelyard.core.bus import Bus, Handling
from modelyard.core.records import Table
from modelyard.lifecycle import deciding, instances, messages, publishing, working


def handlings(bus: Bus, tables: tuple[Table[Any], ...]) -> list[Handling[Any]]:
    """Every command of life cycles. `bus` gives the commands of steps; `tables` are what steps may read."""
    return [
        *publishing.handlings(),
        *instances.handlings(),
        *messages.handlings(),
        *working.handlings(bus, tables),
        *deciding.handlings(bus),
    ]
