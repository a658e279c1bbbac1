"""Shipping and collecting: whatever dies, what was acknowledged is read exactly once where it is collected."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

import pytest
from decision_rows import rows
from hypothesis import given, settings
from hypothesis import strategies as st
from shipping_stage import Centre, Machine, MemorySegments

from modelyard.core.errors import Busy, InvalidInput, NotFound, Unavailable
from modelyard.core.faults import FaultAt
from modelyard.decisions import Compactor, Keeping
from modelyard.decisions.shipping import Claim, Shipper
from modelyard.decisions.shipping_frames import END, Pieces, SegmentConflict, SegmentEnded, create_same
from modelyard.decisions.shipping_log import Acknowledge, ShippedLog, Shipping
from modelyard.decisions.shipping_stores import FolderSegments, SegmentStore, segments_at

LOCAL, THERE = Acknowledge.LOCAL, Acknowledge.OBJECT_STORE
BOTH = pytest.mark.parametrize("mode", [LOCAL, THERE])


class Died(BaseException):
    """The process ends here."""


def die() -> None:
    raise Died


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SegmentStore:
    return MemorySegments() if request.param == "memory" else FolderSegments(tmp_path / "store")


def test_a_store_creates_once_lists_in_order_and_forgets(store: SegmentStore) -> None:
    assert store.create("a/b/1", b"one")
    assert not store.create("a/b/1", b"two")
    assert store.create("a/b/2", b"three")
    assert store.create("a/bc/1", b"")
    assert store.get("a/b/1") == b"one"
    assert [(each.name, each.size) for each in store.list("a/b")] == [("a/b/1", 3), ("a/b/2", 5)]
    assert [each.name for each in store.list("a", after="a/b/1")] == ["a/b/2", "a/bc/1"]
    assert all(abs(each.modified - time()) < 60 for each in store.list("a"))
    assert store.list("nothing") == []
    store.remove("a/b/1")
    store.remove("a/b/1")
    with pytest.raises(NotFound):
        store.get("a/b/1")


def test_an_address_of_no_store_and_names_that_leave_it() -> None:
    with pytest.raises(InvalidInput, match="no segments can be kept at") as caught:
        segments_at("ftp://somewhere/else")
    assert caught.value.field == "segments"
    with pytest.raises(InvalidInput, match="no name of an object"):
        FolderSegments(Path("x")).get("../secret")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(Unavailable, match="cannot write"):
        FolderSegments(tmp_path / "store").create("a", b"")


@BOTH
def test_rows_of_two_machines_arrive_once_each(mode: Acknowledge, tmp_path: Path, store: SegmentStore) -> None:
    centre = Centre(tmp_path / "centre", store)
    machines = [Machine(tmp_path / str(n), store, mode) for n in range(2)]
    for n, machine in enumerate(machines):
        log = machine.start()
        for batch in range(3):
            assert machine.commit(f"dec_{n}_{batch}_a", f"dec_{n}_{batch}_b")
            log.seal()
            log.ship()
        assert machine.commit(f"dec_{n}_last")
        log.close()
    assert centre.collect().brought == 8
    assert centre.collect().brought == 0
    assert len(centre.ids()) == 14
    centre.check(machines)
    names = {path.parent.name for path in (tmp_path / "centre" / "decisions").rglob("*.seg")}
    assert len(names) == 2, "two machines of one name write under names of their own"


def test_what_is_shipped_leaves_the_machine_but_for_the_last(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", MemorySegments(), LOCAL)
    log = machine.start()
    for name in "abc":
        machine.commit(name)
        log.seal()
    assert log.ship() == 3
    assert [path.name for path in sorted((tmp_path / "m").rglob("*.seg"))] == ["000000000003.seg"]
    assert [path.name for path in sorted((tmp_path / "m").rglob("*.json"))] == ["000000000003.json"]
    machine.crash()
    log = machine.start()
    machine.commit("d")
    log.close()
    assert "segments/" + log.writer + "/000000000004.json" in machine.store.objects  # type: ignore[attr-defined]


def test_kept_for_a_while_where_that_is_the_policy(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", MemorySegments(), LOCAL, keep=timedelta(hours=1))
    log = machine.start()
    for name in "abc":
        machine.commit(name)
        log.seal()
    assert log.ship() == 3
    assert len(list((tmp_path / "m").rglob("*.seg"))) == 3
    assert log.ship() == 0


def test_a_segment_that_the_compactor_removes_meanwhile_is_no_error(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", MemorySegments(), LOCAL, keep=timedelta(hours=1))
    log = machine.start()
    for name in "abc":
        machine.commit(name)
        log.seal()
    assert log.ship() == 3
    first, second, last = sorted((tmp_path / "m").rglob("*.seg"))

    def compact() -> None:
        """As a compactor does it: the data, then what tells of it."""
        for suffix in (".seg", ".json", ".shipped"):
            second.with_suffix(suffix).unlink()

    eager = Shipper(tmp_path / "m", machine.store, keep=timedelta(0), faults=FaultAt("shipping.removing", compact))
    assert eager.ship() == 0
    assert not first.exists()
    assert [path.name for path in first.parent.glob("*.*") if path.stem == second.stem] == []
    assert last.exists()
    machine.commit("d")
    log.close()


POINTS = [
    "decisions.commit.written",
    "decisions.segment.started",
    "decisions.seal",
    "shipping.piece",
    "shipping.data",
    "shipping.sealed",
    "shipping.noted",
    "shipping.removing",
]


@BOTH
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_shipper_that_dies_anywhere_goes_on(mode: Acknowledge, point: str, nth: int, tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, mode), Centre(tmp_path / "centre", store)
    reached = False
    try:
        log = machine.start(FaultAt(point, die, nth))
        for n in range(4):
            machine.commit(f"dec_{n}")
            log.seal()
            log.ship()
    except Died:
        reached = True
    assert reached or (mode is LOCAL and point == "shipping.piece")
    machine.crash()
    centre.collect()
    log = machine.start()
    assert machine.commit("dec_after")
    log.close()
    centre.collect()
    centre.collect()
    centre.check([machine])
    assert not [name for name in store.objects if name.startswith("frames/")], "pieces are forgotten"


COLLECTING = ["collecting.data", "collecting.sealed", "collecting.noted", "collecting.ended", "collecting.kept"]


@BOTH
@pytest.mark.parametrize("point", COLLECTING)
def test_a_collector_that_dies_anywhere_goes_on(mode: Acknowledge, point: str, tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, mode), Centre(tmp_path / "centre", store)
    log = machine.start()
    for name in "abc":
        machine.commit(name)
        log.seal()
    log.ship()
    machine.commit("d")
    collector = centre.started(FaultAt(point, die))
    if mode is THERE or point in COLLECTING[:3]:
        with pytest.raises(Died):
            collector.collect()
    centre.started()
    centre.collect()
    machine.commit("e")
    log.close()
    centre.collect()
    centre.collect()
    centre.check([machine])


def test_a_lost_disk_loses_nothing_acknowledged_after_the_store(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, THERE), Centre(tmp_path / "centre", store)
    log = machine.start()
    assert machine.commit("a", "b")
    log.seal()
    assert machine.commit("c")
    assert machine.commit("d")
    machine.lose_disk()
    again = machine.start()
    assert again.writer != log.writer, "who lost the disk is another writer"
    assert machine.commit("e")
    assert centre.collect().rebuilt >= 2
    centre.check([machine])
    assert sorted(centre.ids()) == ["a", "b", "c", "d", "e"]


def test_a_lost_disk_loses_what_was_not_shipped_when_acknowledged_locally(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, LOCAL), Centre(tmp_path / "centre", store)
    log = machine.start()
    machine.commit("a")
    log.seal()
    log.ship()
    machine.commit("b")
    machine.lose_disk()
    centre.collect()
    assert centre.ids() == ["a"], "what was shipped is there; what was not is lost, as docs/scale.md says"


def test_a_store_that_is_away_refuses_or_waits_by_mode(tmp_path: Path) -> None:
    for mode in (LOCAL, THERE):
        store = MemorySegments()
        machine, centre = Machine(tmp_path / mode / "m", store, mode), Centre(tmp_path / mode / "centre", store)
        log = machine.start()
        assert machine.commit("a")
        store.down = True
        assert machine.commit("b") is (mode is LOCAL)
        with pytest.raises(Unavailable):
            log.ship()
        store.down = False
        assert machine.commit("c")
        log.close()
        centre.collect()
        centre.check([machine])
        assert set(centre.ids()) >= {"a", "c"}


def test_a_slow_writer_whose_segment_was_ended_goes_on_in_the_next(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, THERE), Centre(tmp_path / "centre", store)
    log = machine.start()
    assert machine.commit("a")
    store.failing = ["before"]
    assert not machine.commit("unheard")
    assert centre.collect().rebuilt == 1
    assert machine.commit("b"), "the rows go to the next segment, and are acknowledged there"
    log.close()
    centre.collect()
    centre.check([machine])
    assert centre.ids() == ["a", "b"], "what was cut off was never acknowledged"


def test_an_answer_of_the_store_that_got_lost_is_no_second_row(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, THERE), Centre(tmp_path / "centre", store)
    log = machine.start()
    machine.commit("a")
    store.failing = ["after"]
    assert not machine.commit("b")
    assert machine.commit("c")
    log.close()
    centre.collect()
    centre.check([machine])
    assert sorted(centre.ids()) == ["a", "b", "c"]


@BOTH
def test_a_copied_disk_is_found_out(mode: Acknowledge, tmp_path: Path) -> None:
    store = MemorySegments()
    first = Machine(tmp_path / "first", store, mode)
    log = first.start()
    first.commit("a")
    log.ship()
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    second = Machine(tmp_path / "second", store, mode)
    second.start()
    if mode is LOCAL:
        second.log.ship()  # type: ignore[union-attr]
    with pytest.raises(Busy, match="another process writes the log as"):
        log.ship()
    assert not first.commit("b"), "who lost the name acknowledges nothing more"
    assert second.commit("c")


def test_other_bytes_under_a_name_are_told_and_hold_up_no_other_writer(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, other = Machine(tmp_path / "m", store, LOCAL), Machine(tmp_path / "m", store, LOCAL, name="zz")
    log = machine.start()
    store.objects[f"segments/{log.writer}/000000000001.seg"] = b"other"
    for each in ("a", "b"):
        machine.commit(each)
        log.seal()
    theirs = other.start()
    other.commit("c")
    theirs.seal()
    assert log.ship() == 1, "the other writer's; of this one none, as they go in their order"
    assert f"segments/{theirs.writer}/000000000001.json" in store.objects
    (problem,) = log.problems.values()
    assert "other bytes" in problem
    assert "home of its own" in problem
    with pytest.raises(SegmentConflict):
        create_same(store, f"segments/{log.writer}/000000000001.seg", b"third")


def test_a_damaged_segment_is_neither_shipped_nor_taken_in(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, LOCAL), Centre(tmp_path / "centre", store)
    log = machine.start()
    for name in ("a", "b", "c"):
        machine.commit(name)
        log.seal()
    path = tmp_path / "m" / log.writer / "000000000001.seg"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    assert log.ship() == 0
    assert "damaged" in next(iter(log.problems.values()))
    path.write_bytes(whole)
    assert (log.ship(), log.problems) == (3, {})
    name = f"segments/{log.writer}/000000000002.seg"
    whole = store.objects[name]
    store.objects[name] = whole[:-1]
    done = centre.collect()
    assert (done.brought, list(done.problems)) == (1, [name])
    assert centre.ids() == ["a"], "the third waits for the second: the compactor goes by numbers"
    store.objects[name] = whole
    assert centre.collect().brought == 2
    centre.check([machine])


def test_a_seal_of_another_segment_is_told(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, LOCAL), Centre(tmp_path / "centre", store)
    log = machine.start()
    for rows_of_it in (("a",), ("b", "c")):
        machine.commit(*rows_of_it)
        log.seal()
    log.ship()
    first, second = (f"segments/{log.writer}/00000000000{n}.json" for n in (1, 2))
    whole = store.objects[first]
    store.objects[first] = store.objects[second]
    assert "not what its seal says" in next(iter(centre.collect().problems.values()))
    store.objects[first] = b"{"
    assert "cannot be read" in next(iter(centre.collect().problems.values()))
    assert centre.ids() == []
    store.objects[first] = whole
    assert centre.collect().brought == 2


@BOTH
def test_a_segment_that_is_large_enough_is_shipped_without_being_asked(mode: Acknowledge, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", MemorySegments(), mode, segment_bytes=1)
    log = machine.start()
    for name in "abc":
        machine.commit(name)
    assert log.ship() == 2, "all but the one that is open"
    aged = Machine(tmp_path / "aged", MemorySegments(), mode, seal_after=timedelta(0))
    log = aged.start()
    aged.commit("a")
    log.seal_if_due()
    assert log.ship() == 1


def test_a_number_that_was_never_written_holds_up_nothing(tmp_path: Path) -> None:
    for mode in (LOCAL, THERE):
        store = MemorySegments()
        machine, centre = Machine(tmp_path / mode / "m", store, mode), Centre(tmp_path / mode / "centre", store)
        log = machine.start()
        machine.commit("a")
        log.seal()
        log._log._journal._number += 1  # as after a full disk: the number is used, the file is not there
        assert machine.commit("b")
        log.close()
        assert centre.collect().brought == 2
        centre.check([machine])


def test_a_segment_that_the_journal_gave_up_is_shipped_and_the_next_too(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, THERE), Centre(tmp_path / "centre", store)

    def fail() -> None:
        raise OSError(5, "Input/output error")

    log = machine.start(FaultAt("decisions.commit.written", fail, 2))
    assert machine.commit("a")
    assert not machine.commit("failed")
    assert machine.commit("b")
    log.close()
    centre.collect()
    centre.check([machine])
    assert centre.ids() == ["a", "b"]


def test_a_missing_piece_is_damage_and_never_an_answer(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, THERE), Centre(tmp_path / "centre", store)
    machine.start()
    for name in "abc":
        machine.commit(name)
    frames = [name for name in store.objects if name.startswith("frames/")]
    del store.objects[frames[1]]
    assert "lacks the piece" in next(iter(centre.collect().problems.values()))
    assert centre.ids() == []


def test_pieces_agree_on_every_byte() -> None:
    store = MemorySegments()
    pieces = Pieces(store, "w", 1)
    assert pieces.extend(0, b"abc") == 3
    assert pieces.extend(0, b"abcdef") == 6
    assert [each.size for each in store.list("frames")] == [3, 3]
    with pytest.raises(SegmentConflict):
        pieces.extend(0, b"xyz")
    assert not pieces.try_end(3)
    pieces.end(6)
    pieces.end(6)
    assert END in store.objects.values()
    with pytest.raises(SegmentEnded) as ended:
        pieces.extend(3, b"defghi")
    assert ended.value.size == 6


def test_what_the_compactor_has_is_forgotten_and_never_brought_again(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, LOCAL), Centre(tmp_path / "centre", store)
    log = machine.start()
    for name in "abc":
        machine.commit(name)
        log.seal()
    log.ship()
    now, later = timedelta(0), timedelta(hours=1)
    assert centre.collector.forget(now) == 0, "what was not taken in stays"
    centre.collect()
    assert centre.collector.forget(now) == 0, "what was not compacted stays"
    compactor = Compactor(tmp_path / "centre" / "decisions", keeping=Keeping(segments_for=now))
    assert compactor.run().segments == 3
    assert list((tmp_path / "centre").rglob("*.seg")) == []
    machine.commit("d")
    log.seal()
    log.ship()
    assert centre.collect().brought == 1, "what the compactor has is not brought again"
    with pytest.raises(Died):
        centre.started(FaultAt("collecting.forgetting", die)).forget(now)
    assert centre.started().forget(later) == 0, "what is young stays"
    assert centre.collector.forget(now) == 3
    assert [each.name.split("/")[-1] for each in store.list("segments")] == ["000000000004.json", "000000000004.seg"]
    assert compactor.run().segments == 1
    assert centre.collect().brought == 0
    centre.check([machine])
    assert sorted(centre.ids()) == ["a", "b", "c", "d"]


def test_a_collector_that_lost_its_notes_takes_nothing_in_twice(tmp_path: Path) -> None:
    store = MemorySegments()
    machine, centre = Machine(tmp_path / "m", store, LOCAL), Centre(tmp_path / "centre", store)
    log = machine.start()
    for name in "abcd":
        machine.commit(name)
        log.seal()
        if name == "b":
            log.ship()
            centre.collect()
            compactor = Compactor(tmp_path / "centre" / "decisions", keeping=Keeping(segments_for=timedelta(0)))
            assert compactor.run().segments == 2
    log.ship()
    centre.collect()
    shutil.rmtree(tmp_path / "centre" / "collected")  # as after a restore: backups hold the log alone
    assert centre.started().collect().brought == 2, "what is compacted is not brought again; what is not may be"
    centre.check([machine])
    compactor.run()
    centre.collect()
    centre.check([machine])
    assert sorted(centre.ids()) == ["a", "b", "c", "d"]


def test_sessions_are_counted_and_old_ones_forgotten() -> None:
    store = MemorySegments()
    claims = [Claim(store, "w") for _ in range(4)]
    claims[-1].check()
    with pytest.raises(Busy):
        claims[0].check()
    assert len(store.list("writers/w")) == 2


def test_segments_of_a_dead_writer_of_the_same_machine_are_shipped_by_another(tmp_path: Path) -> None:
    store = MemorySegments()
    centre = Centre(tmp_path / "centre", store)
    machine = Machine(tmp_path / "m", store, THERE)
    dead = machine.start()
    machine.commit("a")
    machine.crash()
    other = Machine(tmp_path / "m", store, THERE, name="other")
    log = other.start()
    assert other.commit("b")
    assert log.ship() == 1
    assert f"segments/{dead.writer}/000000000001.json" in store.objects
    log.close()
    centre.collect()
    centre.check([machine, other])


def test_two_processes_of_a_machine_do_not_ship_at_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", MemorySegments(), LOCAL)
    log = machine.start()
    machine.commit("a")
    log.seal()
    with (tmp_path / "m" / "shipping.lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert Shipper(tmp_path / "m", machine.store).ship() == 0
    assert Shipper(tmp_path / "m", machine.store).ship() == 1


def test_the_thread_ships_by_itself_and_rides_out_a_store_that_is_away(tmp_path: Path) -> None:
    store, centre = MemorySegments(), None
    store.down = True
    shipping = Shipping(LOCAL, seal_after=timedelta(seconds=0), every=0.01)
    with ShippedLog(tmp_path / "m", "r", store, shipping) as log:
        log.append(rows(["a"]))
        store.down = False
        centre = Centre(tmp_path / "centre", store)
    centre.collect()
    assert centre.ids() == ["a"]


STEPS = st.lists(
    st.sampled_from(["commit", "commit", "commit", "seal", "ship", "collect", "crash", "lose", "before", "after", "down", "up"]),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_what_the_store_acknowledged_is_read_once(steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        _live(Path(folder), steps)


def _live(folder: Path, steps: list[str]) -> None:
    store = MemorySegments()
    machine, centre = Machine(folder / "m", store, THERE), Centre(folder / "centre", store)
    machine.start()
    for n, step in enumerate([*steps, "up"]):
        with suppress(Unavailable):  # the store is away, as the step before wanted
            _step(machine, centre, store, step, n)
    assert machine.log is not None or machine.start()
    machine.commit("dec_end")
    assert machine.log is not None
    machine.log.close()
    for _ in range(3):
        centre.collect()
    centre.check([machine])


def _step(machine: Machine, centre: Centre, store: MemorySegments, step: str, n: int) -> None:
    if step in {"before", "after"}:
        store.failing.append(step)
    elif step in {"down", "up"}:
        store.down = step == "down"
        store.failing = []
    elif step == "collect":
        centre.collect()
    elif machine.log is None:
        machine.start()
    elif step == "commit":
        machine.commit(f"dec_{n}")
    elif step == "seal":
        machine.log.seal()
    elif step == "ship":
        machine.log.ship()
    else:
        machine.crash() if step == "crash" else machine.lose_disk()
        machine.start()
