"""One answer that cannot be logged keeps no other out of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.core.errors import ModelyardError, Unavailable
from modelyard.decisions import DecisionIds, DecisionLog, DecisionReader, Rows, Window
from modelyard.runtime.writer import LogWriter
from tests.decisions.decision_rows import consistent, rows


class Said:
    """An entry of a way on which some answers lack an output."""

    def __init__(self, way: Any, number: int, whole: bool) -> None:
        self.way, self.number, self.whole = way, number, whole
        self.told: asyncio.Future[ModelyardError | None] = asyncio.get_running_loop().create_future()

    def groups(self) -> Sequence[Rows]:
        return [self.way.rows([self])]

    def logged(self, error: ModelyardError | None) -> None:
        self.told.set_result(error)


class Way:
    def __init__(self) -> None:
        self.ids = DecisionIds()

    def rows(self, entries: Sequence[Any]) -> Rows:
        if not all(entry.whole for entry in entries):
            raise KeyError("probability")
        return rows(self.ids.mint(len(entries)))


def test_what_one_answer_lacks_is_its_own_loss(tmp_path: Path) -> None:
    async def together() -> list[ModelyardError | None]:
        writer, way = LogWriter(log), Way()
        said = [Said(way, number, number != 2) for number in range(5)]
        for one in said:
            writer.put(one)
        found = [await one.told for one in said]
        writer.close()
        return found

    with DecisionLog(tmp_path, "w") as log:
        outcome = asyncio.run(together())
    assert [type(error) for error in outcome] == [type(None), type(None), Unavailable, type(None), type(None)]
    assert outcome[2] is not None
    assert "KeyError" in outcome[2].detail
    assert len(consistent(DecisionReader(tmp_path).scan(Window()))) == 4
