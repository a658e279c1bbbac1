"""The fault campaign in its short form: a few releases, API and workers killed in the middle of them. `make faults` is the long
one. Only what is so in the end is asserted, since when a program dies is a matter of the machine."""

from __future__ import annotations

from pathlib import Path

from tests.faults.campaign import Plan, run

SHORT = Plan(releases=6, seed=4, living=(0.2, 1.5), most=5, lease=2.0, under_fire_s=120.0, rest_s=120.0)


def test_releases_survive_kill_9_of_api_and_workers(database: str, tmp_path: Path) -> None:
    outcome = run(tmp_path, database, SHORT)
    assert not outcome.findings, str(outcome)
    assert outcome.kills >= 3, str(outcome)
    assert outcome.completed == SHORT.releases, str(outcome)
