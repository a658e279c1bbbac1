"""Four runtimes, each on a disk of its own, on PostgreSQL and S3: routes, rollback and logs stay right whatever goes away."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.decisions import DecisionReader, Window
from modelyard.decisions.shipping_log import Acknowledge
from tests.processes.processes_yard import eventually
from tests.scale.scale_yard import Balancer, Callers, RuntimeMachine, Yard, s3_environment

MODES = [Acknowledge.LOCAL, Acknowledge.LOCAL, Acknowledge.OBJECT_STORE, Acknowledge.OBJECT_STORE]


@pytest.fixture
def yard(tmp_path: Path, pg_url: str, s3_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    for name, value in s3_environment(s3_options).items():
        monkeypatch.setenv(name, value)
    made = Yard(tmp_path, pg_url, s3_options, uuid.uuid4().hex[:8])
    try:
        made.start_control_plane()
        made.runtimes = [RuntimeMachine(tmp_path, f"runtime-{n}", mode, made) for n, mode in enumerate(MODES)]
        for runtime in made.runtimes:
            runtime.start()
        yield made
    finally:
        made.close()


@pytest.mark.slow
@pytest.mark.postgres
def test_four_runtimes_on_postgresql_and_s3(yard: Yard) -> None:
    first, second = yard.releases()
    yard.everywhere(yard.change("delivery.deploy", release=first.id, role="champion", arm="v1"))
    balancer = Balancer(yard.runtimes)
    with Callers(balancer.url).asking() as callers:
        callers.more(60)

        yard.everywhere(yard.change("delivery.deploy", release=second.id, role="challenger", share=0.3, arm="v2"))
        callers.more(300)
        yard.runtimes[1].kill()
        callers.more(60)
        yard.runtimes[1].start()

        yard.everywhere(yard.change("delivery.promote", arm="v2"))
        callers.more(60, lambda a: a.arm == "v2")
        epoch = yard.change("delivery.rollback")
        rolled_back = time.time()
        callers.more(100, lambda a: a.asked > rolled_back + 1)
        yard.everywhere(epoch)

        yard.kill_control_plane()
        callers.more(60)
        yard.runtimes[0].kill()
        yard.runtimes[0].start()
        eventually(lambda: yard.runtimes[0].epoch() >= epoch, "a runtime restarts without its control plane", within=60)
        callers.more(60)
        failed_before = len(callers.failures)
        callers.more(60)
        assert len(callers.failures) == failed_before, callers.failures[-1]
        yard.start_control_plane()
        again = time.time()
        yard.everywhere(yard.change("delivery.deploy", release=second.id, role="challenger", share=0.1, arm="v2"))
        callers.more(100)

        yard.runtimes[3].lose_disk()
        callers.more(60)
        yard.runtimes[3].start()
        eventually(lambda: yard.runtimes[3].epoch() > epoch, "a runtime without its disk comes back", within=60)
        callers.more(60)
    balancer.close()

    late = [a for a in callers.answers if rolled_back + 1 < a.asked < again and a.arm == "v2"]
    assert late == [], "a second after the rollback the version that was rolled back answers nobody"
    assert {a.arm for a in callers.answers} == {"v1", "v2"}
    _check_log(yard, callers, rolled_back, again, {"v1": first.manifest, "v2": second.manifest})
    told = eventually(lambda: (v := yard.verified())["ok"] and v, "the audit log is verified")
    assert told["log"]["findings"] == []


def _check_log(yard: Yard, callers: Callers, rolled_back: float, again: float, manifests: dict[str, str]) -> None:
    assert [runtime.stop() for runtime in yard.runtimes] == [0, 0, 0, 0]
    root = yard.settings.runtime_folder / "decisions"
    reader = DecisionReader(root)
    acknowledged = [answer.id for answer in callers.answers]
    assert len(set(acknowledged)) == len(acknowledged) > 800
    eventually(lambda: reader.known(acknowledged) == set(acknowledged), "every acknowledged answer is collected", within=90)

    rows = DecisionReader(root).scan(Window()).to_pylist()
    doubled = [i for i, times in Counter(row["id"] for row in rows).items() if times > 1]
    assert doubled == []
    by_id = {row["id"]: row for row in rows}
    for answer in callers.answers:
        assert by_id[answer.id]["manifest"] == manifests[answer.arm]
        assert by_id[answer.id]["epoch"] == answer.epoch
    wrong = [r for r in rows if rolled_back + 1 < r["decision_time"].timestamp() < again and r["manifest"] == manifests["v2"]]
    assert wrong == []
    _check_epochs(root)
    _check_stickiness(rows, callers)


def _check_epochs(root: Path) -> None:
    """Each writer's epochs only ever rise, over kills and restarts."""
    writers = [folder for folder in root.iterdir() if folder.is_dir() and list(folder.glob("*.seg"))]
    assert len(writers) >= 5, "four runtimes, and one that came back without its disk"
    from modelyard.decisions.layout import segments
    from modelyard.decisions.segment import SegmentReader

    for folder in writers:
        epochs: list[int] = []
        for path in segments(folder):
            segment = SegmentReader(path)
            segment.refresh()
            for batch in segment.read(segment.frames, ["epoch"]):
                epochs += batch.column("epoch").to_pylist()
        assert epochs == sorted(epochs), folder.name


def _check_stickiness(rows: list[dict[str, Any]], callers: Callers) -> None:
    """While the shares are the same a key goes the same way on every runtime."""
    asked = {answer.id: answer.key for answer in callers.answers}
    ways: dict[tuple[int, str], set[str]] = {}
    for row in rows:
        if row["id"] in asked:
            ways.setdefault((row["epoch"], asked[row["id"]]), set()).add(row["requested_arm"])
    assert [way for way in ways.items() if len(way[1]) > 1] == []
    units: dict[str, set[str]] = {}
    for row in rows:
        if row["id"] in asked:
            units.setdefault(asked[row["id"]], set()).add(row["unit"])
    assert max(map(len, units.values())) == 1, "a key has one pseudonym on all runtimes"
    shared = Counter(row["requested_arm"] for row in rows if row["probability"] not in (None, 1.0))
    assert set(shared) == {"v1", "v2"}
