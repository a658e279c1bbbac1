"""Compaction: every row exactly once, whoever looks and whoever dies when; the table is one that others can read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from decision_rows import consistent, rows
from deltalake import DeltaTable

from modelyard.core.clock import ManualClock
from modelyard.core.errors import Conflict
from modelyard.core.faults import FaultAt
from modelyard.decisions import (
    DECISIONS,
    OUTCOMES,
    Compactor,
    DecisionIds,
    DecisionLog,
    DecisionReader,
    Keeping,
    Limits,
    LogDamaged,
    Outcome,
    OutcomeLog,
    OutcomeReader,
    Time,
    Window,
    layout,
)
from modelyard.decisions.extents import bucket_of
from modelyard.decisions.journal import Journal
from modelyard.decisions.schema import DECISION_TABLE, OUTCOME_TABLE, TableSpec, to_batch
from modelyard.decisions.tables import TableReader

AT_ONCE = Keeping(segments_for=timedelta(0), files_for=timedelta(0))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = 86_400_000_000


def micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def shown(root: Path) -> list[str]:
    return sorted(consistent(DecisionReader(root).scan(Window())))


def fill(root: Path, segments: int = 3, per: int = 40, writers: tuple[str, ...] = ("v", "w"), start: int = 0) -> list[str]:
    """Sealed segments of some writers over three days."""
    ids = DecisionIds()
    every = []
    for writer in writers:
        with DecisionLog(root, writer) as log:
            for n in range(segments):
                batch = ids.mint(per)
                log.append(rows(batch, at=micros(NOON) + (start + n % 3) * DAY))
                log.seal()
                every += batch
    return sorted(every)


def test_rows_move_and_nobody_notices(tmp_path: Path) -> None:
    reader = DecisionReader(tmp_path)
    first = fill(tmp_path)
    with DecisionLog(tmp_path, "open") as log:
        log.append(rows(["dec_open"]))
        done = Compactor(tmp_path, keeping=AT_ONCE).run()
        assert (done.segments, done.rows, done.leased, done.damaged) == (6, 240, True, ())
        assert not list(tmp_path.glob("[vw]/*.seg"))
        assert sorted(consistent(reader.scan(Window()))) == sorted([*first, "dec_open"])
        assert consistent(reader.find([first[7], "dec_open", "absent"])) == [first[7], "dec_open"]
        found = reader.get(first[8])
        assert found is not None
        assert (found["epoch"], found["probability"], found["version"]) == (7, 0.9, None)
        assert Compactor(tmp_path, keeping=AT_ONCE).run().segments == 0
    second = fill(tmp_path, start=1)
    assert Compactor(tmp_path, keeping=AT_ONCE).run().rows == 241
    assert shown(tmp_path) == sorted([*first, *second, "dec_open"])


def test_a_row_keeps_every_value(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        name: {"string": f"text ü {name}", "int64": 7, "double": 0.25, "int16": 1}.get(str(field.type), NOON)
        for name, field in zip(DECISIONS.names, DECISIONS, strict=True)
    }
    from modelyard.decisions import Rows

    with DecisionLog(tmp_path, "w") as log:
        log.append(Rows(1, {"id": ["dec_1"]}, {k: v for k, v in values.items() if k != "id"}))
    before = DecisionReader(tmp_path).scan(Window(shadows=True))
    Compactor(tmp_path, keeping=AT_ONCE).run()
    assert DecisionReader(tmp_path).scan(Window(shadows=True)).equals(before)
    assert before.to_pylist() == [values | {"id": "dec_1"}]


def test_windows_find_the_same_before_and_after(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        for n in range(30):
            about: dict[str, Any] = {
                "endpoint": f"e{n % 3}",
                "answered_arm": f"a{n % 2}",
                "unit": f"k{n % 5}",
                "subject": f"s{n % 7}",
            }
            about |= {"event_time": None if n % 4 == 0 else NOON + timedelta(hours=n), "manifest": f"m{n % 2}"}
            if n % 6 == 0:
                about["shadow_of"] = "dec_other"
            log.append(rows([f"dec_{n:02}"], at=micros(NOON) + n * DAY // 5, **about))
    windows = [
        Window(),
        Window(shadows=True),
        Window(endpoint="e1"),
        Window(endpoint="nowhere"),
        Window(arms=("a1",)),
        Window(key="k3"),
        Window(subject="s2"),
        Window(versions=("m0",), since=NOON + timedelta(days=1), until=NOON + timedelta(days=4)),
        Window(by=Time.EVENT, since=NOON + timedelta(hours=5), until=NOON + timedelta(hours=20)),
        Window(use_case="else"),
        Window(organisation="default", endpoint="e2", key="k1"),
    ]
    reader = DecisionReader(tmp_path)
    before = [reader.scan(w).sort_by("id") for w in windows]
    Compactor(tmp_path, keeping=AT_ONCE).run()
    for window, table in zip(windows, before, strict=True):
        assert reader.scan(window).sort_by("id").equals(table)
        duck = _relation(reader, window)
        assert sorted(duck) == table["id"].to_pylist()
    assert [t.num_rows for t in before][:3] == [25, 30, 10]


def _relation(reader: DecisionReader, window: Window) -> list[str]:
    import duckdb

    with duckdb.connect() as connection:
        return [row[0] for row in reader.relation(connection, window, ["id"]).fetchall()]


POINTS = [
    "decisions.compaction.files_written",
    "decisions.compaction.commit",
    "decisions.compaction.committed",
    "decisions.compaction.segment_removed",
    pytest.param("decisions.compaction.remembered", marks=pytest.mark.slow),
    pytest.param("decisions.compaction.merged", marks=pytest.mark.slow),
    pytest.param("decisions.compaction.file_removed", marks=pytest.mark.slow),
    pytest.param("decisions.compaction.checkpoint", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_loses_and_doubles_nothing(tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.decisions.lakewriting.CHECKPOINT_EVERY", 2)

    class Crash(BaseException):
        pass

    def crash() -> None:
        raise Crash

    keeping = Keeping(commit_bytes=1, merge_from=2, segments_for=timedelta(0), files_for=timedelta(0))
    every: list[str] = []
    crashes = 0
    for nth in (1, 2):
        every += fill(tmp_path, segments=1, per=3)
        try:
            Compactor(tmp_path, keeping=keeping, faults=FaultAt(point, crash, nth)).run()
        except Crash:
            crashes += 1
        assert shown(tmp_path) == sorted(every)
        with DecisionLog(tmp_path, "w") as log:
            log.append(rows([f"after_{nth}"]))
        every.append(f"after_{nth}")
    Compactor(tmp_path, keeping=keeping).run()
    assert shown(tmp_path) == sorted(every)
    assert crashes
    assert not list(tmp_path.rglob("*.seg"))
    assert {str(p.relative_to(tmp_path / layout.DELTA)) for p in (tmp_path / layout.DELTA).glob("date=*/*/*")} == {
        f.name for f in TableReader(tmp_path, DECISION_TABLE)._lake.snapshot([]).files
    }


def test_readers_never_see_a_hole_or_a_double_while_rows_move(tmp_path: Path) -> None:
    """Two readers, one by scan and one by id, while a writer appends and a compactor moves, merges and removes at once."""
    keeping = Keeping(commit_bytes=1, merge_from=3, segments_for=timedelta(0), files_for=timedelta(0))
    acknowledged: list[str] = []
    looked = [0, 0]
    failures: list[BaseException] = []
    stop = threading.Event()

    def scan(reader: DecisionReader) -> None:
        known = list(acknowledged)
        found = reader.scan(Window(), ["id"])["id"].to_pylist()
        assert len(found) == len(set(found))
        assert set(known) <= set(found)
        looked[0] += 1

    def find(reader: DecisionReader) -> None:
        some = acknowledged[-30:] + acknowledged[:30]
        assert sorted(consistent(reader.find(some))) == sorted(set(some))
        looked[1] += 1

    def repeat(work: Any) -> None:
        reader = DecisionReader(tmp_path)
        try:
            while not stop.wait(0.01):
                work(reader)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in (scan, find)]
    with DecisionLog(tmp_path, "w", limits=Limits(segment_bytes=4000)) as log:
        for thread in threads:
            thread.start()
        _write_and_compact(log, acknowledged, Compactor(tmp_path, keeping=keeping), lambda: bool(failures))
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert min(looked) > 3
    assert sorted(acknowledged) == shown(tmp_path)


def _write_and_compact(log: DecisionLog, acknowledged: list[str], compactor: Compactor, enough: Any) -> None:
    ids = DecisionIds()
    for _ in range(8):
        for _ in range(4):
            batch = ids.mint(5)
            log.append(rows(batch, at=micros(NOON)))
            acknowledged += batch
        compactor.run()
        if enough():
            return


def test_a_stream_goes_on_when_its_segments_are_compacted(tmp_path: Path) -> None:
    every = fill(tmp_path)
    stream = DecisionReader(tmp_path).batches(Window())
    found = next(stream)["id"].to_pylist()
    assert Compactor(tmp_path, keeping=AT_ONCE).run().segments == 6
    for batch in stream:
        found += batch["id"].to_pylist()
    assert sorted(found) == every


def test_one_at_a_time(tmp_path: Path) -> None:
    fill(tmp_path)
    with Compactor(tmp_path).held():
        assert not Compactor(tmp_path).run().leased
    assert Compactor(tmp_path).run().leased


def test_somebody_elses_commit_is_not_overwritten(tmp_path: Path) -> None:
    fill(tmp_path)
    Compactor(tmp_path).run()
    with Compactor(tmp_path).held() as turn:
        version = turn.lake.snapshot().version
        fill(tmp_path)

        def intrude() -> None:
            (tmp_path / "_delta" / "_delta_log" / f"{version + 1:020}.json").write_text('{"commitInfo":{}}\n')

        turn.lake._faults = FaultAt("decisions.compaction.commit", intrude)
        with pytest.raises(Conflict):
            turn.take_in()
    assert Compactor(tmp_path).run().rows == 240
    assert len(shown(tmp_path)) == 480


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    """A writer whose segments are all gone goes on counting: the table would take a second number 1 for known."""
    every = fill(tmp_path, writers=("w",))
    Compactor(tmp_path, keeping=AT_ONCE).run()
    shutil.rmtree(tmp_path / "w")
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["later"]))
        assert [s.number for s in layout.segments(tmp_path / "w")] == [4]
    Compactor(tmp_path, keeping=AT_ONCE).run()
    assert shown(tmp_path) == sorted([*every, "later"])


def test_folders_of_the_dead_go_and_their_names_can_come_back(tmp_path: Path) -> None:
    """While writers start under the very names: none is told that it cannot, and numbers go on."""
    nothing = timedelta(0)
    keeping = Keeping(segments_for=nothing, files_for=nothing, folders_for=nothing)
    stop = threading.Event()

    def compact() -> None:
        while not stop.is_set():
            Compactor(tmp_path, keeping=keeping).run()

    with DecisionLog(tmp_path, "alive") as alive:
        thread = threading.Thread(target=compact)
        thread.start()
        for n in range(25):
            with DecisionLog(tmp_path, "w") as log:
                log.append(rows([f"dec_{n:02}"]))
            while n % 4 == 0 and (tmp_path / "w").exists():
                assert thread.is_alive()
        stop.set()
        thread.join()
        Compactor(tmp_path, keeping=keeping).run()
        assert sorted(p.name for p in layout.writer_folders(tmp_path)) == ["alive"]
        alive.append(rows(["dec_alive"]))
    assert layout.compacted(tmp_path)["w"] == 25
    assert shown(tmp_path) == [*(f"dec_{n:02}" for n in range(25)), "dec_alive"]


def test_everything_is_on_the_disk_before_anything_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which the kernel was asked: data files, their folders, the commit and its folder are synced, and only then
    segments are removed. A power cut at any moment finds the rows in one place or in both."""
    done: list[tuple[str, str]] = []
    sync, unlink, link = os.fsync, Path.unlink, os.link

    def synced(descriptor: int) -> None:
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        sync(descriptor)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        done.append(("unlink", str(path)))
        unlink(path, missing_ok)

    def linked(source: Any, target: Any) -> None:
        done.append(("link", str(target)))
        link(source, target)

    fill(tmp_path)
    Compactor(tmp_path, keeping=AT_ONCE).run()
    fill(tmp_path, start=5)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    monkeypatch.setattr(os, "link", linked)
    table = tmp_path / "_delta"
    before = {f.name for f in DecisionReader(tmp_path)._table._lake.snapshot([]).files}
    Compactor(tmp_path, keeping=AT_ONCE).run()
    files = [f for f in DecisionReader(tmp_path)._table._lake.snapshot([]).files if f.name not in before]
    commit = next(
        n for n, (what, path) in enumerate(done) if what == "link" and "_delta_log" in path and "_checkpoint" not in path
    )
    assert files
    for file in files:
        for needed in (file.path, file.path.parent, file.path.parent.parent, table):
            assert ("sync", str(needed)) in done[:commit]
    gone = next(n for n, (what, path) in enumerate(done) if what == "unlink" and path.endswith(".seg"))
    assert ("sync", str(table / "_delta_log")) in done[commit:gone]
    assert any(what == "sync" and "_delta_log" in path and path.endswith(".tmp") for what, path in done[:commit])
    remembered = [n for n, (what, path) in enumerate(done) if what == "sync" and "compacted.json" in path]
    assert remembered
    assert max(remembered) < gone


def test_others_read_the_table(tmp_path: Path) -> None:
    every = fill(tmp_path)
    Compactor(tmp_path, keeping=AT_ONCE).run()
    table = DeltaTable(tmp_path / "_delta")
    assert table.metadata().partition_columns == ["date", "bucket"]
    assert table.metadata().configuration["modelyard.buckets"] == "4"
    assert table.transaction_version("w") == 3
    rows_there = pa.table(table.to_pyarrow_table()).to_pylist()
    assert sorted(row["id"] for row in rows_there) == every
    for row in rows_there:
        assert row["bucket"] == bucket_of(row["id"], 4)
        assert row["date"] == row["decision_time"].date()
    stats = [json.loads(line)["add"]["stats"] for line in _log_lines(tmp_path) if '"add"' in line]
    for text in stats:
        assert {"id", "decision_time", "endpoint"} <= json.loads(text)["minValues"].keys()
        assert "subject" not in text


def _log_lines(root: Path) -> Iterator[str]:
    for path in sorted((root / "_delta" / "_delta_log").glob("*.json")):
        yield from path.read_text().splitlines()


def test_many_runs_do_not_slow_readers_and_leave_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader looks all the time; one looked long ago, and what it would need to catch up was cleaned away."""
    monkeypatch.setattr("modelyard.decisions.lakewriting.CHECKPOINT_EVERY", 5)
    monkeypatch.setattr("modelyard.decisions.lakewriting.KEPT_COMMITS", 3)
    clock = ManualClock(NOON)
    keeping = Keeping(merge_from=4, segments_for=timedelta(0), files_for=timedelta(0))
    reader, seldom = DecisionReader(tmp_path), DecisionReader(tmp_path)
    every = []
    for turn in range(20):
        every += fill(tmp_path, segments=1, per=2, writers=("w",))
        Compactor(tmp_path, keeping=keeping, clock=clock).run()
        assert reader.known(every[-3:]) == set(every[-3:])
        if turn == 0:
            assert seldom.known(every) == set(every)
    snapshot = reader._table._lake.snapshot([])
    assert snapshot.version > 20
    assert len(snapshot.files) < 20
    assert len(list((tmp_path / "_delta" / "_delta_log").iterdir())) < 15
    assert not (tmp_path / "_delta" / "_delta_log" / f"{2:020}.json").exists()
    assert not [p for p in (tmp_path / "_delta").iterdir() if p.name.startswith("_checkpoint")]
    assert sorted(seldom.scan(Window(), ["id"])["id"].to_pylist()) == sorted(every)
    assert shown(tmp_path) == sorted(every)


def test_a_lookup_by_id_opens_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelyard.decisions.lake import LakeFile

    every = []
    for _ in range(4):
        every += fill(tmp_path, segments=3, per=300, writers=("w",))
        Compactor(tmp_path, keeping=AT_ONCE).run()
    opened: list[str] = []
    whole = LakeFile.read

    def counted(self: LakeFile, *asked: Any) -> Any:
        opened.append(self.name)
        return whole(self, *asked)

    monkeypatch.setattr(LakeFile, "read", counted)
    reader = DecisionReader(tmp_path)
    assert len(reader._table._lake.snapshot([]).files) >= 12
    for decision in every[::400]:
        opened.clear()
        assert reader.get(decision) is not None
        assert len(opened) == 1


@pytest.mark.parametrize("place", ["middle", "cut", "log"])
def test_damage_in_the_table_is_told_by_name(tmp_path: Path, place: str) -> None:
    """To who looks for the first time, and to who knew the table before."""
    earlier = DecisionReader(tmp_path)
    for total in (80, 160):
        fill(tmp_path, segments=1)
        Compactor(tmp_path).run()
        if total == 80:
            assert earlier.scan(Window(), ["id"]).num_rows == total
    file = sorted((tmp_path / "_delta").glob("date=*/bucket=*/*.parquet"))[0]
    if place == "log":
        log = sorted((tmp_path / "_delta" / "_delta_log").glob("*.json"))[-1]
        log.write_bytes(log.read_bytes()[:-40])
    else:
        content = bytearray(file.read_bytes())
        for place_of_byte in range(
            len(content) // 3, len(content) // 3 + 64
        ):  # longer than a page's header, which has no checksum
            content[place_of_byte] ^= 0x10
        file.write_bytes(content if place == "middle" else content[:-20])
    for reader in (DecisionReader(tmp_path), earlier):
        with pytest.raises(LogDamaged):
            reader.scan(Window())
    with pytest.raises(LogDamaged) as caught:
        DecisionReader(tmp_path).scan(Window())
    assert (file.name if place != "log" else "_delta") in caught.value.detail
    assert caught.value.hint


def test_a_damaged_segment_holds_up_its_writer_only(tmp_path: Path) -> None:
    fill(tmp_path)
    segment = tmp_path / "v" / "000000000002.seg"
    content = bytearray(segment.read_bytes())
    content[-10] ^= 1
    segment.write_bytes(content)
    done = Compactor(tmp_path, keeping=AT_ONCE).run()
    assert (done.segments, done.damaged) == (4, ("v/000000000002.seg",))
    with pytest.raises(LogDamaged, match=r"v/000000000002\.seg"):
        DecisionReader(tmp_path).scan(Window())
    content[-10] ^= 1
    segment.write_bytes(content)
    assert Compactor(tmp_path, keeping=AT_ONCE).run().segments == 2
    assert len(shown(tmp_path)) == 240


def test_a_column_that_comes_with_a_later_version(tmp_path: Path) -> None:
    """Old segments, new segments, old files and new files are read together; what is older has a null there."""
    later = TableSpec("decisions", pa.schema([*DECISIONS, pa.field("mood", pa.string())]), "id", "decision_time", "endpoint")
    fill(tmp_path, segments=1, per=2, writers=("old",))
    Compactor(tmp_path, keeping=AT_ONCE).run()
    fill(tmp_path, segments=1, per=2, writers=("old",))
    with Journal(tmp_path, later, "new") as journal:
        journal.commit(to_batch(later, [_mooded("dec_x")]))
        journal.seal()
        reader = TableReader(tmp_path, later)
        for _ in range(2):
            found = reader.by_ids(["dec_x"], later.schema.names).to_pylist()
            assert [row["mood"] for row in found] == ["calm"]
            assert DecisionReader(tmp_path).get("dec_x") is not None
            Compactor(tmp_path, table=later, keeping=AT_ONCE).run()
        journal.commit(to_batch(later, [_mooded("dec_y")]))
        moods = TableReader(tmp_path, later).by_ids([*shown(tmp_path)], ["id", "mood"]).to_pylist()
    assert sorted(str(row["mood"]) for row in moods) == ["None"] * 4 + ["calm"] * 2
    assert "mood" in DeltaTable(tmp_path / "_delta").schema().to_json()
    fill(tmp_path, segments=1, per=2, writers=("old",))
    Compactor(tmp_path, keeping=Keeping(merge_from=99, segments_for=timedelta(0), files_for=timedelta(0))).run()
    assert len(shown(tmp_path)) == 8
    assert "mood" in DeltaTable(tmp_path / "_delta").schema().to_json()


def _mooded(decision: str) -> Any:
    made = rows([decision])
    made.rows = {**made.rows, "mood": ["calm"]}
    return made


def test_outcomes_are_compacted_alike(tmp_path: Path) -> None:
    every = fill(tmp_path / "d")
    decisions = DecisionReader(tmp_path / "d")
    compactor = Compactor(tmp_path / "o", table=OUTCOME_TABLE, keeping=AT_ONCE)
    with OutcomeLog(tmp_path / "o", "api", decisions) as log:
        assert log.post([Outcome(i, {"paid": True}, "bank") for i in every[:50]]).accepted == 50
        log._journal.seal()
        assert compactor.run().rows == 50
        assert log.post([Outcome(i, {"paid": True}, "bank") for i in every[:50]]).repeated == 50
        assert log.post([Outcome(i, {"paid": False}, "bank") for i in every[:9]]).corrected == 9
    compactor.run()
    found = OutcomeReader(tmp_path / "o").scan()
    assert found.schema.equals(OUTCOMES)
    assert found.num_rows == 59
    assert OutcomeReader(tmp_path / "o").latest(every[:1])[every[0]] == (1, '{"paid":false}')


def test_times_that_no_calendar_has(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["far"], at=(1 << 62)))
        log.append(rows(["long_ago"], at=-(1 << 62)))
    Compactor(tmp_path, keeping=AT_ONCE).run()
    reader = DecisionReader(tmp_path)
    assert sorted(reader.scan(Window(), ["id"])["id"].to_pylist()) == ["far", "long_ago"]
    assert reader.scan(Window(since=NOON), ["id"])["id"].to_pylist() == ["far"]


def test_importing_the_log_is_quick() -> None:
    """A runtime imports the log at its start: nothing of Delta, DuckDB or Parquet comes with it."""
    script = "import sys, modelyard.decisions; print([m for m in ('deltalake','duckdb','pyarrow.parquet') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
