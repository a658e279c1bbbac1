"""Whoever can write to the database, with every guard removed, is found out, and what they touched is named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from audit_house import TABLES, House
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core.messages import AuditRecord
from modelyard.governance.audit import Finding, Report, Tampering, verify_records
from modelyard.governance.audit.model import leaf_of
from modelyard.governance.identity import IDENTITIES
from modelyard.storage.sql import SqlStorage
from modelyard.trust import CompactRange, Ed25519Signer
from tests.conftest import BUS_TABLES

COUNT = 13
ALL_TABLES = (*BUS_TABLES, *TABLES)
SIGNER = Ed25519Signer.generate()

few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
places = st.integers(0, COUNT - 1)


@dataclass
class Site:
    """A copy of a house in order, and a way to break into it."""

    house: House
    database: Path
    ids: list[str]

    @contextmanager
    def broken_into(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.database, isolation_level=None)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
        connection.close()

    def sql(self, statement: str, *values: object) -> None:
        with self.broken_into() as connection:
            assert connection.execute(statement, values).rowcount > 0

    def body(self, place: int) -> dict[str, object]:
        with self.broken_into() as connection:
            return json.loads(connection.execute("SELECT body FROM audit WHERE id = ?", (self.ids[place],)).fetchone()[0])

    def write_body(self, place: int, body: object) -> None:
        self.sql("UPDATE audit SET body = ? WHERE id = ?", json.dumps(body), self.ids[place])

    def set_head(self) -> None:
        """Make the head agree with whatever leaves there are now, as a careful intruder would."""
        with self.broken_into() as connection:
            rows = connection.execute("SELECT body FROM audit_leaves ORDER BY position").fetchall()
            tree = CompactRange()
            for (body,) in rows:
                tree = tree.append(bytes.fromhex(json.loads(body)["leaf_hash"]))
            head = json.loads(connection.execute("SELECT body FROM audit_head").fetchone()[0])
            head |= {"size": tree.size, "peaks": [peak.hex() for peak in tree.peaks]}
            connection.execute("UPDATE audit_head SET body = ?", (json.dumps(head),))

    def set_leaf(self, record_id: str, **changes: object) -> None:
        with self.broken_into() as connection:
            (body,) = connection.execute("SELECT body FROM audit_leaves WHERE id = ?", (record_id,)).fetchone()
            changed = json.loads(body) | changes
            connection.execute(
                "UPDATE audit_leaves SET position = ?, body = ? WHERE id = ?",
                (changed["position"], json.dumps(changed), record_id),
            )

    def found(self) -> Report:
        return self.house.verify()

    def live(self) -> tuple[Finding, ...]:
        return verify_records(self.house.storage, [IDENTITIES])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    storage = SqlStorage(f"sqlite:///{folder}/house.db", ALL_TABLES)
    storage.create()
    house = House(storage, folder / "export", SIGNER)
    members = house.write(5)
    house.sequencer().sequence_once()
    house.close(members[0])
    house.write(COUNT - 6)
    house.sequencer().sequence_once()
    storage.close()
    return folder


@pytest.fixture
def enter(original: Path, tmp_path: Path) -> Iterator[Callable[[], Site]]:
    opened: list[SqlStorage] = []

    def go() -> Site:
        folder = tmp_path / f"site-{len(opened)}"
        shutil.copytree(original, folder)
        storage = SqlStorage(f"sqlite:///{folder}/house.db", ALL_TABLES, durable=False)
        opened.append(storage)
        house = House(storage, folder / "export", SIGNER)
        return Site(house, folder / "house.db", [record.id for record in house.records()])

    yield go
    for storage in opened:
        storage.close()


def named(report: Report) -> set[tuple[Tampering, str | None]]:
    return {(finding.what, finding.record) for finding in report.findings}


def test_the_original_is_in_order(enter: Callable[[], Site]) -> None:
    site = enter()
    report = site.found()
    assert report.ok
    assert report.covered == COUNT == len(site.ids)
    assert site.live() == ()


@few
@given(places, st.sampled_from(["actor", "reason", "action", "command_digest", "created_at", "policy_set", "subject_id"]))
def test_an_altered_record_is_named(enter: Callable[[], Site], place: int, field: str) -> None:
    site = enter()
    site.write_body(place, site.body(place) | {field: "2020-01-01T00:00:00Z"})
    report = site.found()
    assert not report.ok
    assert named(report) == {(Tampering.ALTERED, site.ids[place])}
    assert report.findings[0].position == place


@few
@given(places)
def test_a_record_altered_together_with_its_leaf_and_the_head_is_named(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    body = site.body(place) | {"actor": "somebody else"}
    site.write_body(place, body)
    site.set_leaf(site.ids[place], leaf_hash=leaf_of(AuditRecord.model_validate(body)).hex())
    site.set_head()
    assert named(site.found()) == {(Tampering.ALTERED, site.ids[place])}


@few
@given(places, st.sampled_from(["{", "null", "[]", "{}", "", "\x00"]))
def test_a_record_that_cannot_be_read_is_named_and_hides_no_other(enter: Callable[[], Site], place: int, rubbish: str) -> None:
    site = enter()
    site.sql("UPDATE audit SET body = ? WHERE id = ?", rubbish, site.ids[place])
    site.sql("UPDATE audit SET body = 'x' WHERE id = ?", site.ids[3])
    assert named(site.found()) == {(Tampering.ALTERED, site.ids[place]), (Tampering.ALTERED, site.ids[3])}


@few
@given(places, st.sampled_from(["actor", "action", "subject_type", "subject_id", "organisation"]))
def test_a_record_filed_under_other_values_is_named(enter: Callable[[], Site], place: int, column: str) -> None:
    site = enter()
    site.sql(f'UPDATE audit SET "{column}" = ? WHERE id = ?', "hidden", site.ids[place])
    assert named(site.found()) == {(Tampering.ALTERED, site.ids[place])}


def test_records_filed_under_each_other_are_named(enter: Callable[[], Site]) -> None:
    site = enter()
    one, other = site.ids[2], site.ids[9]
    for old, new in ((one, "between"), (other, one), ("between", other)):
        site.sql("UPDATE audit SET id = ? WHERE id = ?", new, old)
    assert named(site.found()) == {(Tampering.ALTERED, one), (Tampering.ALTERED, other)}


@few
@given(places)
def test_a_removed_record_is_named(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    site.sql("DELETE FROM audit WHERE id = ?", site.ids[place])
    assert named(site.found()) == {(Tampering.REMOVED, site.ids[place])}


@few
@given(st.integers(0, COUNT - 2), st.booleans())
def test_a_record_removed_together_with_its_leaf_is_named(enter: Callable[[], Site], place: int, tidy: bool) -> None:
    site = enter()
    site.sql("DELETE FROM audit WHERE id = ?", site.ids[place])
    site.sql("DELETE FROM audit_leaves WHERE id = ?", site.ids[place])
    if tidy:
        site.set_head()
    report = site.found()
    assert named(report) == {(Tampering.REMOVED, site.ids[place])}
    assert report.findings[0].position == place


@few
@given(st.integers(0, COUNT - 2))
def test_a_removed_record_is_named_even_when_all_others_move_up(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    site.sql("DELETE FROM audit WHERE id = ?", site.ids[place])
    site.sql("DELETE FROM audit_leaves WHERE id = ?", site.ids[place])
    for later in range(place + 1, COUNT):
        site.set_leaf(site.ids[later], position=later - 1)
    site.set_head()
    report = site.found()
    assert [(finding.what, finding.record, finding.position) for finding in report.findings] == [
        (Tampering.REMOVED, site.ids[place], place),
        *((Tampering.REORDERED, site.ids[later], later) for later in range(place + 1, COUNT - 1)),
        (Tampering.TRUNCATED, site.ids[-1], COUNT - 1),
    ]


@few
@given(places)
def test_a_lost_place_is_named(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    site.sql("DELETE FROM audit_leaves WHERE id = ?", site.ids[place])
    what = Tampering.TRUNCATED if place == COUNT - 1 else Tampering.REMOVED
    assert named(site.found()) == {(what, site.ids[place])}


@few
@given(places, st.sampled_from(["00" * 32, "", "not hex", "00"]))
def test_an_altered_leaf_is_named(enter: Callable[[], Site], place: int, leaf_hash: str) -> None:
    site = enter()
    site.set_leaf(site.ids[place], leaf_hash=leaf_hash)
    report = site.found()
    assert named(report) == {(Tampering.ALTERED, site.ids[place])}
    assert report.findings[0].table == "audit_leaves"


@few
@given(places)
def test_a_leaf_that_cannot_be_read_is_named(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    site.sql("UPDATE audit_leaves SET body = 'x' WHERE id = ?", site.ids[place])
    assert named(site.found()) == {(Tampering.ALTERED, site.ids[place])}


@few
@given(st.permutations(range(COUNT)))
def test_reordered_records_are_named(enter: Callable[[], Site], order: list[int]) -> None:
    site = enter()
    for place, record in enumerate(order):
        site.set_leaf(site.ids[record], position=place + 1000)
    for place, record in enumerate(order):
        site.set_leaf(site.ids[record], position=place)
    site.set_head()
    moved = {site.ids[place] for place, record in enumerate(order) if place != record}
    assert named(site.found()) == {(Tampering.REORDERED, record) for record in moved}


@few
@given(st.integers(1, COUNT), st.booleans(), st.booleans())
def test_a_truncated_log_is_named_record_by_record(enter: Callable[[], Site], cut: int, leaves: bool, head: bool) -> None:
    site = enter()
    lost = site.ids[COUNT - cut :]
    for record in lost:
        site.sql("DELETE FROM audit WHERE id = ?", record)
        if leaves:
            site.sql("DELETE FROM audit_leaves WHERE id = ?", record)
    if head:
        site.set_head()
    what = Tampering.TRUNCATED if leaves else Tampering.REMOVED
    assert named(site.found()) == {(what, record) for record in lost}


@few
@given(st.integers(0, COUNT))
def test_a_record_inserted_into_the_past_is_named(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    body = site.body(0) | {"id": "aud_forged"}
    for later in reversed(range(place, COUNT)):
        site.set_leaf(site.ids[later], position=later + 1)
    leaf = leaf_of(AuditRecord.model_validate(body)).hex()
    forged = {"id": "aud_forged", "created_at": body["created_at"], "position": place, "leaf_hash": leaf}
    with site.broken_into() as connection:
        connection.execute("CREATE TABLE copy AS SELECT * FROM audit WHERE id = ?", (site.ids[0],))
        connection.execute("UPDATE copy SET seq = 9999, id = 'aud_forged', body = ?", (json.dumps(body),))
        connection.execute("INSERT INTO audit SELECT * FROM copy")
        connection.execute("CREATE TABLE copies AS SELECT * FROM audit_leaves WHERE id = ?", (site.ids[0],))
        connection.execute("UPDATE copies SET id = 'aud_forged', position = ?, body = ?", (place, json.dumps(forged)))
        connection.execute("INSERT INTO audit_leaves SELECT * FROM copies")
    site.set_head()
    report = site.found()
    if place == COUNT:  # at the end it is not in the past: it counts as not covered, and is explained by no export
        assert (report.covered, report.uncovered) == (COUNT, 1)
    else:
        moved = {(Tampering.REORDERED, record) for record in site.ids[place:]}
        assert named(report) == moved | {(Tampering.INSERTED, "aud_forged")}


def test_a_record_without_a_place_is_named(enter: Callable[[], Site]) -> None:
    site = enter()
    body = json.dumps(site.body(0) | {"id": "aud_forged"})
    with site.broken_into() as connection:
        connection.execute("CREATE TABLE copy AS SELECT * FROM audit WHERE id = ?", (site.ids[0],))
        connection.execute("UPDATE copy SET seq = 9999, id = 'aud_forged', body = ?", (body,))
        connection.execute("INSERT INTO audit SELECT * FROM copy")
    assert named(site.found()) == {(Tampering.INSERTED, "aud_forged")}


def test_a_copy_of_a_record_under_another_id_is_named(enter: Callable[[], Site]) -> None:
    site = enter()
    with site.broken_into() as connection:
        connection.execute("CREATE TABLE copy AS SELECT * FROM audit WHERE id = ?", (site.ids[4],))
        connection.execute("UPDATE copy SET seq = 9999, id = 'aud_zzz'")
        connection.execute("INSERT INTO audit SELECT * FROM copy")
    assert named(site.found()) == {(Tampering.INSERTED, site.ids[4])}


def test_rubbish_between_records_is_told_and_hides_none_that_were_signed(enter: Callable[[], Site]) -> None:
    site = enter()
    with site.broken_into() as connection:
        connection.execute("CREATE TABLE copy AS SELECT * FROM audit WHERE id = ?", (site.ids[4],))
        connection.execute("UPDATE copy SET seq = 9999, id = ?, body = 'x'", (site.ids[4] + "a",))
        connection.execute("INSERT INTO audit SELECT * FROM copy")
    assert named(site.found()) == {(Tampering.INSERTED, None)}


def test_a_record_that_vanished_before_it_got_its_place_is_named(enter: Callable[[], Site]) -> None:
    site = enter()
    site.house.made = 100
    site.house.bus._ids._count = 10_000
    site.house.write(2)
    gone = site.house.records()[-1].id
    site.sql("DELETE FROM audit WHERE id = ?", gone)
    assert named(site.found()) == {(Tampering.REMOVED, gone)}
    site.house.sequencer().sequence_once()
    report = site.found()
    assert named(report) == {(Tampering.REMOVED, gone)}
    assert report.findings[0].position == COUNT + 1


@pytest.mark.parametrize("head", [{"size": 2, "peaks": ["00" * 32]}, {"size": 0, "peaks": []}, {"size": -1, "peaks": []}])
def test_an_edited_head_is_named(enter: Callable[[], Site], head: dict[str, object]) -> None:
    site = enter()
    with site.broken_into() as connection:
        body = json.loads(connection.execute("SELECT body FROM audit_head").fetchone()[0])
        connection.execute("UPDATE audit_head SET body = ?", (json.dumps(body | head),))
    assert named(site.found()) == {(Tampering.ALTERED, "head")}


# ---- The export ----------------------------------------------------------------------------------------------------


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@few
@given(places)
def test_an_edited_export_is_told_and_the_database_still_verified(enter: Callable[[], Site], place: int) -> None:
    site = enter()
    leaves = site.house.folder / "leaves.jsonl"
    rows = lines(leaves)
    rows[place] = json.dumps(json.loads(rows[place]) | {"leaf": "00" * 32}).encode() + b"\n"
    leaves.write_bytes(b"".join(rows))
    report = site.found()
    assert [(finding.what, finding.position) for finding in report.findings] == [(Tampering.EXPORT, place)]
    assert report.covered == COUNT
    site.write_body(7, site.body(7) | {"actor": "somebody else"})
    assert (Tampering.ALTERED, site.ids[7]) in named(site.found())


@few
@given(places)
def test_a_shortened_export_is_told(enter: Callable[[], Site], kept: int) -> None:
    site = enter()
    leaves = site.house.folder / "leaves.jsonl"
    leaves.write_bytes(b"".join(lines(leaves)[:kept]))
    report = site.found()
    assert [(finding.what, finding.position) for finding in report.findings] == [(Tampering.EXPORT, kept)]


@few
@given(st.integers(0, 1), st.integers(0, 400), st.integers(1, 255))
def test_an_edited_checkpoint_is_told(enter: Callable[[], Site], which: int, place: int, flip: int) -> None:
    site = enter()
    checkpoints = site.house.folder / "checkpoints.jsonl"
    rows = lines(checkpoints)
    note = bytearray(json.loads(rows[which])["note"].encode())
    # A signature that was an older checkpoint's matters no more: the newest covers it. Its text still does.
    length = len(note) if which == 1 else note.index(b"\n\n")
    note[place % length] ^= flip
    rows[which] = json.dumps({"note": note.decode(errors="replace"), "size": COUNT}).encode() + b"\n"
    checkpoints.write_bytes(b"".join(rows))
    report = site.found()
    assert not report.ok
    assert {finding.what for finding in report.findings} == {Tampering.CHECKPOINT}


def test_an_export_of_another_log_is_told(enter: Callable[[], Site], tmp_path: Path) -> None:
    site, other = enter(), enter()
    other.house.made = 100
    other.house.bus._ids._count = 10_000
    other.house.write(3)
    other.house.sequencer().sequence_once()
    shutil.rmtree(site.house.folder)
    shutil.copytree(other.house.folder, site.house.folder)
    report = site.found()
    assert {finding.what for finding in report.findings} == {Tampering.TRUNCATED}
    assert {finding.record for finding in report.findings} == {record.id for record in other.house.records()[COUNT:]}


# ---- Live records --------------------------------------------------------------------------------------------------


def members(site: Site) -> list[str]:
    with site.broken_into() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM identities ORDER BY created_at")]


def live_body(site: Site, record_id: str) -> dict[str, object]:
    with site.broken_into() as connection:
        return json.loads(connection.execute("SELECT body FROM identities WHERE id = ?", (record_id,)).fetchone()[0])


def edit(site: Site, record_id: str, **changes: object) -> None:
    body = json.dumps(live_body(site, record_id) | changes)
    site.sql("UPDATE identities SET body = ? WHERE id = ?", body, record_id)


@few
@given(st.integers(0, COUNT - 2), st.sampled_from([{"display_name": "X"}, {"active": True, "revision": 7}, {"kind": "service"}]))
def test_an_edited_live_record_is_named(enter: Callable[[], Site], number: int, changes: dict[str, object]) -> None:
    site = enter()
    member = members(site)[number]
    edit(site, member, **changes)
    (finding,) = site.live()
    assert (finding.what, finding.table, finding.record) == (Tampering.ALTERED, "identities", member)


def test_a_live_record_that_is_set_back_is_named(enter: Callable[[], Site]) -> None:
    site = enter()
    closed = members(site)[0]
    assert live_body(site, closed)["active"] is False
    edit(site, closed, active=True, deactivated_at=None, deactivated_by=None, revision=0)
    (finding,) = site.live()
    assert (finding.what, finding.record) == (Tampering.ALTERED, closed)
    assert "set back" in finding.detail


def test_an_edit_is_named_even_after_the_record_was_changed_again(enter: Callable[[], Site]) -> None:
    site = enter()
    site.house.bus._ids._count = 10_000
    member = members(site)[3]
    edit(site, member, display_name="X")
    with site.house.storage.reading() as tx:
        site.house.close(tx.get(IDENTITIES, member))
    (finding,) = site.live()
    assert (finding.what, finding.record) == (Tampering.ALTERED, member)
    assert "edited some time before" in finding.detail


def test_removed_added_and_unreadable_live_records_are_named(enter: Callable[[], Site]) -> None:
    site = enter()
    gone, spoilt, model = members(site)[1:4]
    body = live_body(site, model)
    site.sql("DELETE FROM identities WHERE id = ?", gone)
    site.sql("UPDATE identities SET body = 'x' WHERE id = ?", spoilt)
    with site.broken_into() as connection:
        connection.execute("CREATE TABLE copy AS SELECT * FROM identities WHERE id = ?", (model,))
        changed = json.dumps(body | {"id": "idn_zforged", "name": "mallory"})
        connection.execute("UPDATE copy SET seq = 9999, id = 'idn_zforged', name = 'mallory', body = ?", (changed,))
        connection.execute("INSERT INTO identities SELECT * FROM copy")
    assert {(finding.what, finding.record) for finding in site.live()} == {
        (Tampering.REMOVED, gone),
        (Tampering.ALTERED, spoilt),
        (Tampering.UNEXPLAINED, "idn_zforged"),
    }
