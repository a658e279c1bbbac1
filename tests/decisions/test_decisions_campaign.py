"""The crash campaign in short; the million rows are `python -m tests.decisions.campaign`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.decisions.campaign import Campaign


def test_writers_and_compactor_die_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    figures = Campaign(tmp_path, rows=3_000, seed=11, writers=1, life=0.2, kills=4).run()
    assert figures.sound(), figures.told()
    assert figures.kills.total() >= 4
    assert figures.looks >= 2
    assert figures.readable >= figures.acknowledged >= 3_000


@pytest.mark.slow
def test_the_campaign_over_a_million_rows(tmp_path: Path) -> None:
    figures = Campaign(tmp_path, rows=1_000_000, seed=1).run()
    assert figures.sound(), figures.told()
    assert figures.kills.total() >= 20
    assert figures.readable >= figures.acknowledged >= 1_000_000
