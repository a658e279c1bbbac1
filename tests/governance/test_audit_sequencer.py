"""The sequencer: every record gets one place for ever, whatever crashes and whoever else runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from audit_house import ORIGIN, TABLES, House

from modelyard.core.errors import Busy, NotFound, StorageFull, Unavailable, Untrusted, WrongState
from modelyard.core.faults import FaultAt
from modelyard.core.messages import AUDIT_PENDING
from modelyard.core.records import every
from modelyard.governance.audit import AUDIT_HEAD, Tampering, check_bundle, prove
from modelyard.storage.memory import MemoryStorage
from modelyard.trust import Ed25519Signer, parse_checkpoint
from tests.conftest import BUS_TABLES

POINTS = [
    "audit.placing",
    "audit.before_commit",
    "audit.placed",
    "audit.signed",
    "audit_files.leaves_written",
    "audit.exported",
]


T = TypeVar("T")


class Crash(Exception):
    pass


def crash() -> None:
    raise Crash


@pytest.fixture
def house(storage, tmp_path: Path) -> House:
    return House(storage, tmp_path / "export")


@pytest.fixture
def in_memory(tmp_path: Path) -> House:
    return House(MemoryStorage((*BUS_TABLES, *TABLES)), tmp_path / "export")


def test_waiting_records_get_places_in_the_order_they_came(house: House) -> None:
    house.write(3)
    assert house.sequencer().sequence_once() == 3
    house.write(2)
    assert house.sequencer().sequence_once() == 2
    assert [house.places()[record.id] for record in house.records()] == [0, 1, 2, 3, 4]
    report = house.verify()
    assert report.ok
    assert (report.covered, report.uncovered, report.waiting) == (5, 0, 0)
    assert report.against.startswith(f"{ORIGIN}, 5 records")


def test_nothing_to_do_leaves_no_trace(house: House) -> None:
    assert house.sequencer().sequence_once() == 0
    assert house.files().checkpoints() == []
    house.write()
    house.sequencer().sequence_once()
    before = house.files().checkpoints()
    assert house.sequencer().sequence_once() == 0
    assert house.files().checkpoints() == before


def test_without_an_exported_checkpoint_nothing_is_verified(in_memory: House) -> None:
    in_memory.write(2)
    report = in_memory.verify()
    assert not report.ok
    assert (report.against, report.findings, report.waiting) == ("nothing", (), 2)
    assert "no exported checkpoint" in report.summary()


def test_what_came_after_the_checkpoint_is_told_apart(in_memory: House) -> None:
    in_memory.write(4)
    in_memory.sequencer(batch=3).sequence_once()
    report = in_memory.verify()
    assert report.ok
    assert (report.covered, report.waiting) == (3, 1)


def test_a_checkpoint_covers_a_backlog_of_many_batches(in_memory: House) -> None:
    in_memory.write(25)
    sequencer = in_memory.sequencer(batch=4)
    assert [sequencer.sequence_once() for _ in range(8)] == [4, 4, 4, 4, 4, 4, 1, 0]
    assert in_memory.verify().covered == 25


@pytest.mark.parametrize(("point", "nth"), [*((point, 1) for point in POINTS), ("audit.placing", 2)])
def test_a_crash_anywhere_loses_no_place_and_signs_nothing_else(house: House, point: str, nth: int) -> None:
    house.write(3)
    house.sequencer().sequence_once()
    house.write(3)
    with pytest.raises(Crash):
        house.sequencer(faults=FaultAt(point, crash, nth)).sequence_once()
    placed, written = house.places(), len(house.records())
    signed = [parse_checkpoint(note).size for note in house.files().checkpoints()]
    assert max(signed) <= len(placed)
    assert house.verify().ok

    house.sequencer().sequence_once()
    after = house.places()
    assert placed.items() <= after.items()
    assert sorted(after.values()) == list(range(written))
    report = house.verify()
    assert report.ok
    assert (report.covered, report.uncovered, report.waiting) == (written, 0, 0)


def test_several_sequencers_at_once_give_each_record_one_place(house: House) -> None:
    failures: list[Exception] = []
    written = threading.Event()

    def run() -> None:
        sequencer = house.sequencer(batch=3)
        try:
            while not written.is_set():
                at_last(sequencer.sequence_once)
            while at_last(sequencer.sequence_once):
                pass
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test must hear of it
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        at_last(house.write)
    written.set()
    for thread in threads:
        thread.join()
    assert failures == []
    count = len(house.records())
    assert sorted(house.places().values()) == list(range(count))
    report = house.verify()
    assert report.ok
    assert (report.covered, report.waiting) == (count, 0)


def at_last(attempt: Callable[[], T]) -> T:
    """Contention without a lease may outlast the patience of one call; it never does harm."""
    while True:
        try:
            return attempt()
        except Busy:
            continue


def test_without_the_lease_nothing_is_done_and_without_work_it_is_not_asked_for(in_memory: House) -> None:
    class Elsewhere:
        asked = 0

        def hold(self) -> bool:
            self.asked += 1
            return False

    lease = Elsewhere()
    standby = in_memory.sequencer(lease=lease)
    assert standby.sequence_once() == 0
    assert lease.asked == 0
    in_memory.write()
    assert standby.sequence_once() == 0
    assert lease.asked == 1
    assert in_memory.places() == {}


def test_a_log_that_was_set_back_is_not_signed(in_memory: House) -> None:
    in_memory.write(3)
    in_memory.sequencer().sequence_once()
    other = House(MemoryStorage((*BUS_TABLES, *TABLES)), in_memory.folder, in_memory.signer)
    other.clock.advance(timedelta(hours=1))
    other.write(2)
    with pytest.raises(Untrusted, match="set back"):
        other.sequencer().sequence_once()
    other.write(2)
    with pytest.raises(Untrusted, match="rewritten"):
        other.sequencer().sequence_once()
    assert len(in_memory.files().checkpoints()) == 1


def test_a_damaged_head_is_not_signed(in_memory: House) -> None:
    in_memory.write(3)
    in_memory.sequencer().sequence_once()
    with in_memory.storage.transaction() as tx:
        (head,) = every(tx, AUDIT_HEAD)
        tx.save(AUDIT_HEAD, head.model_copy(update={"size": 2, "peaks": head.peaks[:1]}))
    in_memory.write()
    with pytest.raises(Untrusted, match="that place is taken"):
        in_memory.sequencer().sequence_once()
    with in_memory.storage.transaction() as tx:
        (head,) = every(tx, AUDIT_HEAD)
        tx.save(AUDIT_HEAD, head.model_copy(update={"size": 5}))
    with pytest.raises(Untrusted, match="head is damaged"):
        in_memory.sequencer().sequence_once()


def test_the_export_holds_no_content(in_memory: House) -> None:
    in_memory.write(2)
    in_memory.sequencer().sequence_once()
    exported = b"".join(path.read_bytes() for path in in_memory.folder.iterdir())
    assert b"because" not in exported
    assert b"ann" not in exported


def test_an_export_that_cannot_be_written_loses_nothing(in_memory: House, tmp_path: Path) -> None:
    in_memory.folder.parent.mkdir(exist_ok=True)
    in_memory.folder.write_text("a file where the folder should be")
    in_memory.write(2)
    with pytest.raises(Unavailable):
        in_memory.sequencer().sequence_once()
    in_memory.folder.unlink()
    assert in_memory.sequencer().sequence_once() == 0
    assert in_memory.verify().covered == 2


def test_a_full_disk_is_told_and_survived(in_memory: House) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    in_memory.write(2)
    with pytest.raises(StorageFull):
        in_memory.sequencer(faults=FaultAt("audit_files.leaves_written", full)).sequence_once()
    in_memory.sequencer().sequence_once()
    assert in_memory.verify().ok


def test_half_a_line_at_the_end_of_the_export_is_what_a_crash_left(in_memory: House) -> None:
    in_memory.write(2)
    in_memory.sequencer().sequence_once()
    for name in ("checkpoints.jsonl", "leaves.jsonl"):
        with (in_memory.folder / name).open("ab") as file:
            file.write(b'{"half')
    assert in_memory.verify().ok
    in_memory.write(2)
    in_memory.sequencer().sequence_once()
    report = in_memory.verify()
    assert report.ok
    assert report.covered == 4
    assert b"half" not in (in_memory.folder / "leaves.jsonl").read_bytes()


def test_a_record_that_waits_twice_keeps_its_place(in_memory: House) -> None:
    in_memory.write(2)
    with in_memory.storage.reading() as tx:
        waiting = every(tx, AUDIT_PENDING)
    in_memory.sequencer().sequence_once()
    with in_memory.storage.transaction() as tx:
        tx.add(AUDIT_PENDING, waiting[0])
    in_memory.sequencer().sequence_once()
    assert sorted(in_memory.places().values()) == [0, 1]
    assert in_memory.verify().ok


def test_a_new_key_takes_over_and_covers_what_a_revoked_one_signed(in_memory: House) -> None:
    old, new = in_memory.signer, Ed25519Signer.generate()
    in_memory.write(3)
    in_memory.sequencer(signer=old).sequence_once()
    revoked = in_memory.roots(old, new).revoking(old.key_id, in_memory.clock.now())
    report = in_memory.verify(revoked)
    assert report.against == "nothing"
    assert [finding.what for finding in report.findings] == [Tampering.CHECKPOINT]
    in_memory.write(1)
    in_memory.sequencer(signer=new).sequence_once()
    assert in_memory.verify(revoked).ok
    assert in_memory.verify(in_memory.roots(new)).ok


def test_checkpoints_by_a_stranger_vouch_for_nothing(in_memory: House) -> None:
    in_memory.write(3)
    in_memory.sequencer(signer=Ed25519Signer.generate()).sequence_once()
    report = in_memory.verify()
    assert not report.ok
    assert report.against == "nothing"


def test_one_record_is_proven_to_outsiders(in_memory: House) -> None:
    in_memory.write(7)
    in_memory.sequencer().sequence_once()
    for record in in_memory.records():
        bundle = prove(in_memory.storage, in_memory.files(), record.id)
        assert check_bundle(bundle.to_json(), in_memory.roots(), ORIGIN) == record
    data = prove(in_memory.storage, in_memory.files(), record.id).to_json()
    for forged in (data.replace(b"because", b"whatever"), data.replace(b'"index":6', b'"index":5'), data[:-1], b""):
        assert forged != data
        with pytest.raises(Untrusted):
            check_bundle(forged, in_memory.roots(), ORIGIN)
    with pytest.raises(Untrusted):
        check_bundle(data, in_memory.roots(Ed25519Signer.generate()))
    with pytest.raises(Untrusted):
        check_bundle(data, in_memory.roots(), "another/log")


def test_what_is_not_covered_cannot_be_proven_yet(in_memory: House) -> None:
    in_memory.write(1)
    (record,) = in_memory.records()
    with pytest.raises(WrongState, match="no exported checkpoint"):
        prove(in_memory.storage, in_memory.files(), record.id)
    with pytest.raises(NotFound):
        prove(in_memory.storage, in_memory.files(), "aud_x")
