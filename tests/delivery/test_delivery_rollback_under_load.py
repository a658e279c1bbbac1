"""Promoted and rolled back while callers never stop asking: none is refused, and after a second none hears the old version."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rollback import swing
from benchmarks.yard import yard


@pytest.mark.slow
def test_nobody_notices_a_rollback(tmp_path: Path) -> None:
    with yard() as place:
        report = swing(place, tmp_path, times=4)
    assert report.failures == ()
    assert (report.turns, report.late) == (8, 0)
    assert report.answers > 100
    assert set(report.gone) == {"promotion", "rollback"}
