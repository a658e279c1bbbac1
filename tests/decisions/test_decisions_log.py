"""The promise of the log: what was acknowledged reads back as written, from every writer, sealed or not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_rows import SECOND, SHARED, consistent, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.clock import ManualClock
from modelyard.core.errors import Busy, InvalidInput, WrongState
from modelyard.core.faults import FaultAt
from modelyard.decisions import (
    DECISIONS,
    DecisionIds,
    DecisionLog,
    DecisionReader,
    Limits,
    Pseudonyms,
    Rows,
    Time,
    Window,
    fields,
)


def test_a_row_reads_back_with_every_field(tmp_path: Path) -> None:
    full = {
        "id": "dec_1",
        "decision_time": datetime(2026, 1, 2, tzinfo=UTC),
        "event_time": datetime(2026, 1, 1, tzinfo=UTC),
        "organisation": "default",
        "use_case": "connections",
        "endpoint": "hold",
        "requested_arm": "canary",
        "answered_arm": "champion",
        "role": "champion",
        "version": "4",
        "manifest": "sha256:m",
        "release": "sha256:r",
        "epoch": 12,
        "probability": 0.1,
        "unit": "pseudonym",
        "subject": "pseudonym2",
        "inputs": '{"x":1.5,"text":"ähnlich"}',
        "output": '{"p":0.25}',
        "reason": "fallback: canary failed",
        "shadow_of": None,
        "parts": "[]",
        "tokens": 17,
        "cost": 0.01,
        "latency": 0.002,
        "queue_time": 0.0001,
        "request": "r-1",
        "trace": "t-1",
    }
    assert full.keys() | {"schema_version"} == set(DECISIONS.names)
    with DecisionLog(tmp_path, "w") as log:
        log.append(Rows(1, {"id": [full["id"]]}, {k: v for k, v in full.items() if k != "id"}))
        found = DecisionReader(tmp_path).get("dec_1")
    assert found == full | {"schema_version": 1}


def test_an_append_is_readable_at_once_and_by_others(tmp_path: Path) -> None:
    reader = DecisionReader(tmp_path)
    with DecisionLog(tmp_path, "one") as one, DecisionLog(tmp_path, "two") as two:
        for n, log in enumerate([one, two, one, two, two]):
            log.append(rows([f"dec_{n}"]))
            assert consistent(reader.find([f"dec_{n}"])) == [f"dec_{n}"]
        assert sorted(consistent(reader.scan(Window()))) == [f"dec_{n}" for n in range(5)]
    assert sorted(consistent(DecisionReader(tmp_path).scan(Window()))) == [f"dec_{n}" for n in range(5)]


def test_concurrent_appends_share_commits_and_all_arrive(tmp_path: Path) -> None:
    syncs = 0
    started = threading.Barrier(8)

    def count() -> None:
        nonlocal syncs
        syncs += 1

    class Counting(FaultAt):
        def reach(self, point: str) -> None:
            if point == "decisions.commit.written":
                count()

    with DecisionLog(tmp_path, "w", faults=Counting("", count)) as log:

        def work(worker: int) -> None:
            started.wait()
            for n in range(40):
                log.append(rows([f"dec_{worker}_{n}", f"dec_{worker}_{n}b"]))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        ids = consistent(DecisionReader(tmp_path).scan(Window()))
    assert len(ids) == len(set(ids)) == 8 * 40 * 2
    assert syncs < 8 * 40


@pytest.mark.parametrize(
    ("columns", "shared", "field"),
    [
        ({"id": ["a"], "nonsense": [1]}, SHARED, "nonsense"),
        ({"id": ["a"]}, {k: v for k, v in SHARED.items() if k != "endpoint"}, "endpoint"),
        ({"id": ["a"]}, SHARED | {"epoch": "seven"}, "epoch"),
        ({"id": ["a"]}, SHARED | {"epoch": 1 << 80}, "epoch"),
        ({"id": ["a", "b"]}, SHARED, "id"),
        ({"id": [None]}, SHARED, "id"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_field_and_do_not_hurt_others(
    tmp_path: Path, columns: dict, shared: dict, field: str
) -> None:
    base = {"inputs": "{}", "decision_time": 1}
    with DecisionLog(tmp_path, "w") as log:
        results = log.commit([rows(["good"]), Rows(1, columns, base | shared), rows(["fine"])])
        assert [type(r) for r in results] == [type(None), InvalidInput, type(None)]
        assert results[1] is not None
        assert results[1].field == field
        assert consistent(DecisionReader(tmp_path).scan(Window())) == ["good", "fine"]


def test_an_empty_append_is_nothing(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows([]))
        assert DecisionReader(tmp_path).scan(Window()).num_rows == 0


def test_a_name_belongs_to_one_living_writer(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        with pytest.raises(Busy):
            DecisionLog(tmp_path, "w")
        log.append(rows(["dec_1"]))
    with pytest.raises(WrongState):
        log.append(rows(["dec_2"]))
    with DecisionLog(tmp_path, "w") as again:
        again.append(rows(["dec_3"]))
    assert consistent(DecisionReader(tmp_path).scan(Window())) == ["dec_1", "dec_3"]
    with pytest.raises(InvalidInput):
        DecisionLog(tmp_path, "../elsewhere")


def test_segments_are_sealed_by_size_and_by_age(tmp_path: Path) -> None:
    clock = ManualClock()
    with DecisionLog(tmp_path, "w", limits=Limits(segment_bytes=6_000, segment_age=60), clock=clock) as log:
        for n in range(30):
            log.append(rows([f"dec_{n}"]))
        by_size = len(list(tmp_path.glob("w/*.json")))
        assert by_size >= 2
        clock.advance(timedelta(seconds=61))
        log.seal_if_due()
        assert len(list(tmp_path.glob("w/*.json"))) == by_size + 1 == len(list(tmp_path.glob("w/*.seg")))
        assert len(consistent(DecisionReader(tmp_path).scan(Window()))) == 30


def test_windows_select_by_every_dimension(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    micros = int(start.timestamp()) * SECOND
    with DecisionLog(tmp_path, "w", limits=Limits(segment_bytes=6000)) as log:
        for day in range(10):
            at = micros + day * 86400 * SECOND
            log.append(rows([f"dec_{day}"], at, event_time=at - 86400 * SECOND))
        log.append(rows(["other"], micros, endpoint="other", answered_arm="canary", manifest="m2", organisation="o2"))
        log.append(rows(["shade"], micros, answered_arm="shade", role="shadow", shadow_of="dec_0"))
    reader = DecisionReader(tmp_path)

    def ids(window: Window) -> list[str]:
        return consistent(reader.scan(window))

    third, fifth = start + timedelta(days=3), start + timedelta(days=5)
    assert ids(Window(since=third, until=fifth)) == ["dec_3", "dec_4"]
    assert ids(Window(since=third, until=fifth, by=Time.EVENT)) == ["dec_4", "dec_5"]
    assert ids(Window(until=start)) == []
    assert ids(Window(endpoint="other")) == ["other"]
    assert ids(Window(organisation="o2")) == ["other"]
    assert ids(Window(use_case="nothing")) == []
    assert ids(Window(arms=("canary",))) == ["other"]
    assert ids(Window(versions=("m2",))) == ["other"]
    assert ids(Window(arms=("shade",))) == ["shade"]
    assert len(ids(Window())) == 11
    assert len(ids(Window(shadows=True))) == 12
    assert reader.scan(Window(since=third), ["id", "latency"]).column_names == ["id", "latency"]
    assert sorted(consistent(reader.find(["other", "dec_9", "absent"]))) == ["dec_9", "other"]
    assert reader.known(["other", "absent"]) == {"other"}
    assert reader.get("absent") is None
    with pytest.raises(InvalidInput):
        reader.scan(Window(since=datetime(2026, 1, 1)))  # noqa: DTZ001 - the point of the test
    with pytest.raises(InvalidInput):
        reader.scan(Window(since=fifth, until=third))
    with pytest.raises(InvalidInput):
        reader.scan(Window(), ["nonsense"])


def test_large_batches_are_quick_and_whole(tmp_path: Path) -> None:
    ids = DecisionIds()
    with DecisionLog(tmp_path, "w") as log:
        batches = [ids.mint(1000) for _ in range(20)]
        for batch in batches:
            log.append(rows(batch))
    reader = DecisionReader(tmp_path)
    assert reader.scan(Window(), ["id"]).num_rows == 20_000
    assert consistent(reader.find([batches[7][500]])) == [batches[7][500]]


@given(counts=st.lists(st.integers(0, 5000), max_size=6))
@settings(max_examples=30, deadline=None)
def test_decision_ids_only_grow(counts: list[int]) -> None:
    ids = DecisionIds(ManualClock())
    minted = [i for count in counts for i in ids.mint(count)]
    assert minted == sorted(set(minted))
    for text in minted[:3]:
        assert text.startswith("dec_")
        assert len(text) == 36
        assert text[4 + 12] == "7"
        assert text[4 + 16] in "89ab"


def test_pseudonyms_need_the_key() -> None:
    one, two = Pseudonyms(b"k" * 32), Pseudonyms(b"j" * 32)
    assert one.of("unit", "alice") == one.of("unit", "alice")
    assert len({one.of("unit", "alice"), one.of("subject", "alice"), two.of("unit", "alice")}) == 3
    assert "alice" not in one.of("unit", "alice")
    with pytest.raises(InvalidInput):
        Pseudonyms(b"short")


def test_fields_come_out_typed(tmp_path: Path) -> None:
    texts = ['{"x":1.5,"who":"a"}', '{"x":null,"who":"ü"}', "{}"]
    with DecisionLog(tmp_path, "w") as log:
        batch = rows(["1", "2", "3"])
        batch.rows = {**batch.rows, "inputs": texts, "output": [None, '{"p":[1,2]}', None]}
        log.append(batch)
    table = DecisionReader(tmp_path).scan(Window())
    found = fields(table, "inputs", ["x", "who", "absent"])
    assert found.to_pydict() == {"x": [1.5, None, None], "who": ["a", "ü", None], "absent": [None] * 3}
    assert fields(table, "output")["p"].to_pylist() == [None, [1, 2], None]
    assert fields(table.slice(0, 0)).num_rows == 0


def test_a_limited_scan_reads_no_more_than_it_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DecisionLog(tmp_path, "w") as log:
        for n in range(6):
            log.append(rows([f"dec_{n}", f"dec_{n}b"]))
    reader, read = DecisionReader(tmp_path), []
    everything = reader._table._read

    def counted(*asked: Any) -> Any:
        for batch in everything(*asked):
            read.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(reader._table, "_read", counted)
    assert consistent(reader.scan(Window(), limit=3)) == ["dec_0", "dec_0b", "dec_1"]
    assert sum(read) == 4
    assert reader.scan(Window(endpoint="nowhere"), limit=3).num_rows == 0
