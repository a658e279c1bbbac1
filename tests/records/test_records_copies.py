"""Who is erased leaves the files that batches wrote as well: real answers of a real batch, in folders, tables and artifacts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from records_yard import Yard

from modelyard.core.ids import RandomIds
from modelyard.core.transactions import in_transaction
from modelyard.decisions import try_lock
from modelyard.decisions.answers import by_part, part_name
from modelyard.delivery.batches import BATCHES, Batch, BatchCopies, BatchState
from modelyard.delivery.batches.commands import RecordBatch
from modelyard.governance.custody.copies import merged
from modelyard.governance.custody.model import CopyFate, CopyTold
from modelyard.jobs.model import JOB_ARTIFACTS, Artifact
from modelyard.runtime.batch import Batches, Result
from modelyard.runtime.batch.idents import decision_ids
from modelyard.runtime.batch.working import published
from tests.batch.batch_stage import Stage, rows

ERIKA = "c0000042"
"""The only row of hers is in the first part of three."""


class Scored:
    """A batch of 250 rows in three parts, done beside the yard and known to it."""

    def __init__(self, yard: Yard, folder: Path, *, state: BatchState = BatchState.DONE, **order: Any) -> None:
        self.yard, self.stage = yard, Stage(folder)
        place = {"log": yard.log, "pseudonym_key_file": yard.home / "runtime" / "pseudonym.key"}
        self.stage.place = type(self.stage.place)(
            home=self.stage.place.home, source=self.stage.place.source, trust_roots=self.stage.place.trust_roots, **place
        )
        path = self.stage.write(rows(250))
        self.result: Result = Batches(self.stage.place).run(self.stage.order(path, subject="customer", **order))
        self.id, self.out = self.result.batch, self.stage.out
        asked = {"out": str(self.out), "format": self.result.format}
        told = Batch(
            id=self.id, organisation="default", created_at=yard.platform.clock.now(), endpoint="hold", use_case="u", tier="low",
            order=asked, state=state, job="job_1", requested_by="omar", output=str(self.out),
        )  # fmt: skip
        in_transaction(yard.platform.storage, lambda tx: tx.add(BATCHES, told))

    def keep(self, name: str) -> str:
        """What a worker does with the answers: keep a file as an artifact of the job."""
        platform = self.yard.platform
        with (self.out / name).open("rb") as file:
            blob = platform.blobs.put(file)
        made = Artifact(
            id=RandomIds(platform.clock).new("art"), organisation="default", created_at=platform.clock.now(), job="job_1",
            attempt=1, name=name, blob=blob.digest, size=blob.size, media_type="application/octet-stream",
        )  # fmt: skip
        in_transaction(platform.storage, lambda tx: tx.add(JOB_ARTIFACTS, made))
        return blob.digest

    def part(self, number: int) -> Path:
        return self.out / part_name(self.id, number)

    def holding(self, text: str) -> list[str]:
        """The files below the answers' folder whose bytes, or rows, have the text."""
        found = []
        for path in sorted(p for p in self.out.rglob("*") if p.is_file()):
            inside = path.suffix == ".parquet" and text in str(pq.read_table(path, partitioning=None).to_pydict())
            if inside or text.encode() in path.read_bytes():
                found.append(path.name)
        return found


def erase(yard: Yard, subject: str = ERIKA) -> Any:
    made = yard.do("rita", "/erasures", {"subject": subject})
    yard.platform.custodian._pauses.clear()
    yard.work()
    return shown(yard, made["id"])


def again(yard: Yard, erasure: str) -> Any:
    yard.platform.custodian._pauses.clear()
    yard.work()
    return shown(yard, erasure)


def shown(yard: Yard, erasure: str) -> Any:
    return yard.ask("rita", "GET", f"/erasures/{erasure}").json()


def fates(erasure: Any) -> dict[str, tuple[str, int]]:
    return {one["file"]: (one["fate"], one["rows"]) for one in erasure["copies"]}


def test_the_person_leaves_the_answers_and_the_kept_artifacts_and_nobody_else_does(own: Yard, tmp_path: Path) -> None:
    batch = Scored(own, tmp_path / "batch")
    name = batch.part(0).name
    before = batch.stage.output()
    hers, others = batch.keep(name), batch.keep(batch.part(1).name)
    untouched = {path: path.stat() for path in (batch.part(1), batch.part(2))}
    batch.part(0).chmod(0o640)
    decision = before["decision_id"][42].as_py()
    done = erase(own)
    assert (done["state"], done["decisions"]) == ("done", 1)
    assert fates(done) == {name: ("rewritten", 1), hers: ("removed", 1)}
    assert batch.holding(ERIKA) == []
    assert batch.holding(decision) == []
    left = [row for row in before.to_pylist() if row["decision_id"] != decision]
    assert batch.stage.output().to_pylist() == left
    assert batch.part(0).stat().st_mode & 0o777 == 0o640
    assert all((p.stat().st_ino, p.stat().st_mtime_ns) == (s.st_ino, s.st_mtime_ns) for p, s in untouched.items())
    assert not own.platform.blobs.exists(hers)
    assert own.platform.blobs.exists(others)
    [copy] = own.ask("rita", "GET", f"/erasures/{done['id']}/copies").json()["items"]
    assert (copy["id"], {file["file"] for file in copy["files"]}) == (batch.id, {name, hers})
    assert not [p for p in batch.out.rglob("*") if p.name.endswith(".erasing")]


def test_a_delta_table_loses_the_rows_by_a_commit_and_its_old_files(own: Yard, tmp_path: Path) -> None:
    batch = Scored(own, tmp_path / "batch", format="delta")
    theirs = batch.out / "report.parquet"
    theirs.write_bytes(batch.part(1).read_bytes())
    version = DeltaTable(str(batch.out)).version()
    done = erase(own)
    assert (done["state"], fates(done)) == ("done", {batch.part(0).name: ("rewritten", 1)})
    table = DeltaTable(str(batch.out))
    assert table.version() == version + 1
    assert table.history(1)[0]["modelyard.erasure"]
    told = table.to_pyarrow_table().column("customer").to_pylist()
    assert sorted(told) == [name for name in rows(250)["customer"].to_pylist() if name != ERIKA]
    assert batch.holding(ERIKA) == []
    assert not batch.part(0).exists()
    assert theirs.exists(), "what somebody else put there is theirs"
    more = erase(own, "c0000043")
    assert (more["state"], [one["fate"] for one in more["copies"]]) == ("done", ["rewritten"]), more["copies"]
    assert batch.holding("c0000043") == []


@pytest.mark.parametrize("form", ["parquet", "delta"])
@pytest.mark.parametrize("when", ["found", "log erased", "rewritten"])
def test_a_worker_that_dies_in_between_is_gone_on_after(
    own: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, when: str
) -> None:
    batch = Scored(own, tmp_path / "batch", format=form)
    custodian = own.platform.custodian
    with monkeypatch.context() as dying:
        if when == "found":
            dying.setattr(type(custodian), "_erased", _die)
        elif when == "log erased":
            dying.setattr(BatchCopies, "rewrite", _die)
        else:
            real = custodian._give
            dying.setattr(custodian, "_give", lambda c, r, key=None: _die() if getattr(c, "proof", None) else real(c, r, key))
        made = own.do("rita", "/erasures", {"subject": ERIKA})
        with pytest.raises(KeyboardInterrupt):
            custodian.erase()
    assert fates(shown(own, made["id"])) == {batch.part(0).name: ("found", 1)}
    done = again(own, made["id"])
    assert (done["state"], fates(done)) == ("done", {batch.part(0).name: ("rewritten", 1)}), done["copies"]
    assert batch.holding(ERIKA) == []
    custodian._pauses.clear()
    assert not custodian.erase(), "nothing is left to do"


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("order", [{}, {"format": "delta"}], ids=["files", "delta"])
def test_files_are_looked_into_once_more_before_it_is_proven(
    own: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: dict[str, Any]
) -> None:
    """Somebody puts the file back that was just rewritten: a synchronised folder, a restored backup."""
    batch = Scored(own, tmp_path / "batch", **order)
    kept = tmp_path / "kept"
    shutil.copytree(batch.out, kept)
    rewritten = BatchCopies.rewrite

    def put_back(copies: BatchCopies, found: CopyTold, decisions: list[str]) -> CopyTold:
        told = rewritten(copies, found, decisions)
        shutil.rmtree(batch.out)
        shutil.copytree(kept, batch.out)
        return told

    monkeypatch.setattr(BatchCopies, "rewrite", put_back)
    made = erase(own)
    assert (made["state"], made["pending"], made["proof"]) == ("hidden", [batch.id], None)
    assert {fate for fate, _ in fates(made).values()} == {"found"}
    monkeypatch.setattr(BatchCopies, "rewrite", rewritten)
    done = again(own, made["id"])
    assert (done["state"], done["proof"]["left"]) == ("done", 0)
    assert batch.holding(ERIKA) == []


def test_what_is_gone_or_cannot_be_changed_is_told_file_by_file(own: Yard, tmp_path: Path) -> None:
    batches = [Scored(own, tmp_path / name) for name in ("gone", "linked", "broken", "pending")]
    gone, linked, broken, pending = batches
    gone.part(0).unlink()
    elsewhere = linked.part(0).rename(tmp_path / "elsewhere.parquet")
    linked.part(0).symlink_to(elsewhere)
    broken.part(0).write_bytes(b"PAR1 but no longer")
    kept = pending.out / "_modelyard" / pending.id / "pending" / "000000.parquet"
    pending.part(0).rename(kept)
    done = erase(own)
    assert (done["state"], done["decisions"]) == ("done", 4)
    told = {one["batch"]: one for one in done["copies"]}
    assert {told[b.id]["fate"] for b in (linked, broken, pending)} == {"by_hand"}
    assert told[gone.id]["fate"] == "gone"
    assert "link" in told[linked.id]["why"]
    assert told[broken.id]["why"]
    assert (told[pending.id]["file"], "never published" in told[pending.id]["why"]) == (str(kept.relative_to(pending.out)), True)
    assert pq.read_table(elsewhere).num_rows == 100, "nobody follows a link out of the folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_is_a_person_s_to_do(own: Yard, tmp_path: Path) -> None:
    batch = Scored(own, tmp_path / "batch")
    batch.out.chmod(0o500)
    done = erase(own)
    batch.out.chmod(0o700)
    assert fates(done) == {batch.part(0).name: ("by_hand", 1)}


def test_a_hold_keeps_the_files_too_and_a_batch_under_way_is_waited_for(own: Yard, tmp_path: Path) -> None:
    batch = Scored(own, tmp_path / "batch", state=BatchState.RUNNING)
    before = batch.part(0).read_bytes()
    hold = own.do("rita", "/holds", {"matter": "a dispute", "subject": ERIKA})
    made = own.do("rita", "/erasures", {"subject": ERIKA})
    assert again(own, made["id"])["state"] == "deferred"
    assert batch.part(0).read_bytes() == before
    own.do("rita", f"/holds/{hold['id']}/lift", {})
    waiting = again(own, made["id"])
    assert (waiting["state"], waiting["pending"], fates(waiting)) == ("hidden", [batch.id], {"": ("waiting", 0)})
    assert batch.part(0).read_bytes() == before
    own.platform.custodian._give(RecordBatch(batch=batch.id, state="failed", error="it was stopped"), "it ended")
    done = again(own, made["id"])
    assert (done["state"], fates(done)) == ("done", {batch.part(0).name: ("rewritten", 1)})
    assert batch.holding(ERIKA) == []


def test_a_folder_that_another_batch_writes_into_is_rewritten_after_it(own: Yard, tmp_path: Path) -> None:
    batch = Scored(own, tmp_path / "batch", format="delta")
    lock = try_lock(batch.out / "_modelyard" / "lock")
    assert lock is not None
    with lock:
        held = erase(own)
        assert (held["state"], held["pending"], fates(held)) == ("hidden", [batch.id], {batch.part(0).name: ("found", 1)})
        assert "another batch" in held["copies"][0]["why"]
        assert DeltaTable(str(batch.out)).version() == 0
    done = again(own, held["id"])
    assert (done["state"], fates(done)) == ("done", {batch.part(0).name: ("rewritten", 1)})
    assert batch.holding(ERIKA) == []


def test_ids_tell_batch_and_part_as_the_data_plane_makes_them() -> None:
    mine, other = "bat_0199f3f5a0007abc8123456789abcdef", "bat_0199f3f5a0017abc8123456789abcdef"
    ids = {part: decision_ids(mine, part, 0, 3).to_pylist() for part in (0, 7, (1 << 20) - 1)}
    foreign = decision_ids(other, 0, 0, 3).to_pylist()
    assert by_part(mine, [*foreign, *(one for of in ids.values() for one in of), "dec_1", "x"]) == ids
    plan = type("Planned", (), {"id": mine, "order": type("Asked", (), {"out": "/out"})})
    part = type("Numbered", (), {"number": 7})
    assert published(plan, part).name == part_name(mine, 7)  # type: ignore[arg-type]


def test_news_of_a_file_are_joined_with_what_is_known() -> None:
    def told(fate: CopyFate, count: int = 0) -> CopyTold:
        return CopyTold(batch="b", file="f", fate=fate, rows=count)

    def fate_after(before: CopyTold, news: CopyTold) -> list[tuple[str, int]]:
        return [(one.fate.value, one.rows) for one in merged([before], [news])]

    assert fate_after(told(CopyFate.REWRITTEN, 2), told(CopyFate.GONE)) == [("rewritten", 2)]
    assert fate_after(told(CopyFate.REWRITTEN, 2), told(CopyFate.FOUND, 3)) == [("found", 5)]
    assert fate_after(told(CopyFate.FOUND, 5), told(CopyFate.FOUND, 3)) == [("found", 5)]
    assert fate_after(told(CopyFate.FOUND, 5), told(CopyFate.SEEN)) == [("found", 5)]
    assert fate_after(told(CopyFate.WAITING), told(CopyFate.SEEN)) == []
    assert fate_after(told(CopyFate.GONE), told(CopyFate.FOUND, 1)) == [("found", 1)]
