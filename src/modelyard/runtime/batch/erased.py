"""Whom a batch leaves out: who was erased since it began. Its input still names them; its answers and its log must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from modelyard.decisions import Erasures, Pseudonyms
from modelyard.runtime.batch.called import names_of
from modelyard.runtime.batch.model import Plan
from modelyard.runtime.batch.scoring import Answered


class Erased:
    """The erased as one batch sees them. Who comes back after an erasure is a new customer, but no batch that began before it
    tells of that. Used by several threads."""

    def __init__(self, log: Path, plan: Plan, pseudonyms: Pseudonyms) -> None:
        self._erasures, self._pseudonyms = Erasures(log), pseudonyms
        self._column = plan.order.subject
        self._since = int(datetime.fromisoformat(plan.started).timestamp() * 1e6)

    def among(self, table: Any) -> Any | None:
        """Which rows of an Arrow table are about them, as a NumPy mask; None when none is. Raises LogDamaged."""
        if self._column is None:
            return None
        whom = {subject for subject, until in self._erasures.until().items() if until >= self._since}
        if not whom:
            return None
        found = _mask(names_of(table[self._column]), whom, self._pseudonyms)
        return found if found.any() else None

    def left_out(self, table: Any, answered: Answered) -> Answered:
        """The answers without those to them."""
        import numpy as np

        mask = self.among(table)
        if mask is None:
            return answered
        rows = np.arange(table.num_rows) if answered.rows is None else answered.rows
        stay = ~mask[rows]
        outputs = {name: values[stay] for name, values in answered.outputs.items()}
        arms = None if answered.arms is None else answered.arms[stay]
        return replace(answered, outputs=outputs, rows=rows[stay], arms=arms)


def _mask(names: Sequence[str | None], whom: set[str], pseudonyms: Pseudonyms) -> Any:
    import numpy as np

    hits = (name is not None and pseudonyms.of("subject", name) in whom for name in names)
    return np.fromiter(hits, np.bool_, len(names))
