"""A backup is taken while everything runs, verifies where it is restored, and is refused when a single bit of it is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from backup_yard import decide, faults_of, house_at, post, sequence, settings_at, traffic

from modelyard.bootstrap import TABLES, Platform, Settings, build, installation
from modelyard.catalog.commands import RegisterUseCase
from modelyard.catalog.model import USE_CASES
from modelyard.cli import main
from modelyard.core.clock import ManualClock
from modelyard.core.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    StorageFull,
    Unavailable,
    Untrusted,
    WrongState,
)
from modelyard.core.records import Query, equals, every, first
from modelyard.decisions import Compactor, DecisionLog, Keeping, Window
from modelyard.delivery.commands import Rollback
from modelyard.delivery.service import latest_routes
from modelyard.governance.releases.service import live_releases, sweep
from modelyard.storage.backup import Archive, Manifest, backup, restore
from modelyard.storage.backup.archive import MANIFEST
from modelyard.storage.backup.service import STAGE
from modelyard.trust import verify_releases, verify_routes
from tests.life.conftest import DANA, OMAR, START, House

LARGE_BLOB = 1 << 20
DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture
def url_for(request: pytest.FixtureRequest) -> Callable[[str], str]:
    return lambda database: "" if database == "sqlite" else request.getfixturevalue("pg_url")


def rows_of(platform: Platform) -> dict[str, list[Any]]:
    with platform.storage.reading() as tx:
        return {table.name: sorted(r.model_dump_json() for r in every(tx, table)) for table in TABLES}


def lived(folder: Path) -> House:
    """A version in production, a second one that was tried, some answers and what came of them."""
    house = house_at(folder / "home")
    house.serving()
    house.later(seconds=1)
    house.deploy(house.release(house.version(weights=(2.0, 0.0, 0.0))), role="challenger", share=0.2)
    house.do(OMAR, Rollback(endpoint="credit"))
    sequence(house.platform)
    with DecisionLog(house.platform.settings.runtime_folder / "decisions", "runtime-1") as log:
        post(house.platform, decide(house.platform, log, 3, house.clock))
    house.platform.blobs.put(iter([bytes(LARGE_BLOB)]))
    return house


def copy_of(kept: Path, home: Path, database: str = "") -> Settings:
    """The same installation elsewhere, to be changed."""
    settings = settings_at(home, database)
    if database:
        restore(kept / "folder", installation(settings))
    else:
        shutil.copytree(kept / "home", home)
    return settings


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an installation that has lived, and archives of it: a folder with keys, a tar without."""
    base = tmp_path_factory.mktemp("kept")
    house = lived(base)
    for name in ("folder", "one.tar"):
        backup(installation(house.platform.settings), base / name, keys=name == "folder")
    house.platform.close()
    return base


@pytest.mark.parametrize("to", DATABASES)
@pytest.mark.parametrize("source", DATABASES)
def test_everything_comes_back_in_either_database(
    source: str, to: str, kept: Path, tmp_path: Path, url_for: Callable[[str], str]
) -> None:
    if source == to == "postgres":
        pytest.skip("each test has one fresh database; both ways between the two are shown by the others")
    clock = ManualClock(START)
    before = build(copy_of(kept, tmp_path / "home", url_for(source)), clock=clock)
    told = backup(installation(before.settings), tmp_path / "all.tar", keys=True)
    elsewhere = settings_at(tmp_path / "elsewhere", url_for(to))
    assert restore(tmp_path / "all.tar", installation(elsewhere)).digest == told.digest

    after = build(elsewhere)
    assert rows_of(after) == rows_of(before)
    assert faults_of(after) == []
    assert sorted(after.blobs.digests()) == sorted(before.blobs.digests())
    assert len(list(after.blobs.digests())) == told.blobs > 0
    now = clock.advance(timedelta(hours=1))
    with after.storage.reading() as tx:
        assert sweep(tx, "default", after.keys.roots(), now) == []
        live = [release.envelope.encode() for release in live_releases(tx, "default")]
        routes = latest_routes(tx, "default")
        assert [m.name for m in tx.find(USE_CASES, Query(text="cred")).items] == ["credit"]
    assert routes is not None
    assert len(verify_releases(live, after.keys.roots(), now).verified) == len(live) == 2
    assert verify_routes(routes.envelope.encode(), after.keys.roots(), now).snapshot.epoch == routes.epoch
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), after.storage.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("DELETE FROM audit")
    after.close()
    before.close()


@pytest.mark.parametrize("database", DATABASES)
def test_a_backup_while_writes_go_on_is_one_moment(
    database: str, kept: Path, tmp_path: Path, url_for: Callable[[str], str]
) -> None:
    settings = copy_of(kept, tmp_path / "home", url_for(database))
    with traffic(settings, "runtime-2") as done:
        acknowledged = list(done.acknowledged)
        commands = done.commands
        told = backup(installation(settings), tmp_path / "all.tar", keys=True)
        while done.commands == commands:  # the writers were not held up for good
            pass
    restore(tmp_path / "all.tar", installation(settings_at(tmp_path / "elsewhere")))

    after = build(settings_at(tmp_path / "elsewhere"))
    assert faults_of(after) == []
    assert after.decisions.known(acknowledged) == set(acknowledged)
    outcomes = after.outcome_reader.scan()["decision_id"].to_pylist()
    assert after.decisions.known(outcomes) == set(outcomes)
    assert len(outcomes) == told.outcomes >= 3
    sequence(after)
    assert faults_of(after) == []
    after.close()


def test_what_was_compacted_comes_back_and_the_log_goes_on(kept: Path, tmp_path: Path) -> None:
    """The Delta table, segments that are not in it yet, and numbers that must not be used again."""
    settings = copy_of(kept, tmp_path / "home")
    platform = build(settings)
    root = installation(settings).decisions
    with DecisionLog(root, "runtime-3") as log:
        ids = decide(platform, log, 4, platform.clock)
        log.seal()
        assert Compactor(root, keeping=Keeping(segments_for=timedelta(0))).run().rows == 7
        ids += decide(platform, log, 2, platform.clock)
        told = backup(installation(settings), tmp_path / "all.tar")
    assert told.decisions == 9
    before = platform.decisions.scan(Window()).sort_by("id")
    platform.close()
    elsewhere = settings_at(tmp_path / "elsewhere")
    restore(tmp_path / "all.tar", installation(elsewhere))
    after = build(elsewhere)
    assert after.decisions.scan(Window()).sort_by("id").equals(before)
    with DecisionLog(installation(elsewhere).decisions, "runtime-3") as log:
        ids += decide(after, log, 1, after.clock)
    assert Compactor(installation(elsewhere).decisions).run().rows == 3
    assert after.decisions.known(ids) == set(ids)
    assert after.decisions.scan(Window()).num_rows == 10
    after.close()


def test_the_command_line_backs_up_and_restores(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, home = str(tmp_path / "one.tar"), tmp_path / "home"
    assert main(["backup", archive, "--home", str(kept / "home"), "--keys"]) == 0
    digest = Archive(Path(archive)).manifest.digest()
    assert digest in capsys.readouterr().out.replace("\n", "")
    assert main(["restore", archive, "--home", str(home), "--yes"]) == 0
    assert main(["restore", archive, "--home", str(home), "--yes"]) != 0
    assert "not empty" in capsys.readouterr().err
    after = build(settings_at(home))
    assert faults_of(after) == []
    after.close()


def test_the_restored_installation_goes_on(kept: Path, tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "home")
    restore(kept / "folder", installation(settings))
    platform = build(settings)
    house = House(platform, None, tmp_path)  # type: ignore[arg-type]
    house.do(DANA, RegisterUseCase(name="after"))
    sequence(platform)
    with platform.storage.reading() as tx:
        assert first(tx, USE_CASES, equals("name", "after")) is not None
    assert faults_of(platform) == []
    found = platform.decisions_in(Window(), 100)
    assert [row["outcome_values"] for row in found] == ['{"late":true}'] * 3
    platform.close()


def test_without_keys_the_archive_holds_no_secret_and_still_verifies(kept: Path, tmp_path: Path) -> None:
    with Archive(kept / "one.tar") as archive:
        assert archive.names("keys") == ["keys/trust-roots.json"]
        secret = [p.read_bytes() for p in (kept / "home" / "keys").glob("*.pem")]
        everything = (kept / "one.tar").read_bytes()
        assert len(secret) > 0
        assert not any(key in everything for key in secret)
    settings = settings_at(tmp_path / "home")
    restore(kept / "one.tar", installation(settings))
    platform = build(settings)
    assert faults_of(platform) == []
    house = House(platform, None, tmp_path)  # type: ignore[arg-type]
    house.do(DANA, RegisterUseCase(name="signed-by-a-new-key"))
    sequence(platform)
    assert faults_of(platform) == []
    platform.close()


def test_private_keys_stay_private(kept: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE((kept / "folder").stat().st_mode) == 0o700
    assert stat.S_IMODE((kept / "one.tar").stat().st_mode) == 0o600
    restore(kept / "folder", installation(settings_at(tmp_path / "home")))
    pems = list((tmp_path / "home" / "keys").glob("*.pem"))
    assert len(pems) == len(list((kept / "home" / "keys").glob("*.pem"))) > 0
    assert {stat.S_IMODE(p.stat().st_mode) for p in pems} == {0o600}


def test_a_torn_tail_is_cut_and_a_damaged_segment_is_not_backed_up(tmp_path: Path) -> None:
    house = house_at(tmp_path / "home")
    place = installation(house.platform.settings)
    log = DecisionLog(place.decisions, "runtime-1")
    ids = decide(house.platform, log, 2, house.clock) + decide(house.platform, log, 2, house.clock)
    segment = next(place.decisions.rglob("*.seg"))
    whole = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(b"MYFR and then the machine stopped")
    backup(place, tmp_path / "torn")
    copy = next((tmp_path / "torn" / "decisions").rglob("*.seg"))
    assert copy.read_bytes() == segment.read_bytes()[:whole]

    log.close()
    data = bytearray(segment.read_bytes())
    data[whole // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(Unavailable, match="damaged"):
        backup(place, tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()
    restore(tmp_path / "torn", installation(settings_at(tmp_path / "elsewhere")))
    after = build(settings_at(tmp_path / "elsewhere"))
    assert after.decisions.known(ids) == set(ids)
    after.close()
    house.platform.close()


def _flip(path: Path, place: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x20
    path.chmod(0o600)
    path.write_bytes(data)


def _one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def _add_row_and_forge(folder: Path) -> None:
    """A row twice, with digests made to fit: only the database's own rules can tell."""
    table = folder / "database" / "use_cases.jsonl"
    table.write_bytes(table.read_bytes() * 2)
    _forge(folder, "database/use_cases.jsonl", table)


def _forge(folder: Path, name: str, path: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
    data = path.read_bytes()
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (folder / MANIFEST).write_bytes(Manifest.model_validate(manifest).to_json())


def _no_record_and_forge(folder: Path) -> None:
    table = folder / "database" / "use_cases.jsonl"
    table.write_bytes(b'{"id": "uc_1"}\n')
    _forge(folder, "database/use_cases.jsonl", table)


def _another_blob_and_forge(folder: Path) -> None:
    blob = _one(folder / "blobs", "sha256/*/*")
    blob.chmod(0o600)
    blob.write_bytes(b"another model")
    _forge(folder, blob.relative_to(folder).as_posix(), blob)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit of a table": lambda f: _flip(f / "database" / "audit.jsonl"),
    "a bit of a blob": lambda f: _flip(_one(f / "blobs", "sha256/*/*")),
    "a bit of the log": lambda f: _flip(_one(f / "decisions", "*/*.seg")),
    "a bit of the checkpoints": lambda f: _flip(f / "audit" / "checkpoints.jsonl"),
    "a bit of the manifest": lambda f: _flip(f / MANIFEST, 0.9),
    "half a table": lambda f: os.truncate(f / "database" / "audit.jsonl", 1000),
    "no table": lambda f: (f / "database" / "releases.jsonl").unlink(),
    "no manifest": lambda f: (f / MANIFEST).unlink(),
    "a stranger's file": lambda f: (f / "keys" / "another.pem").write_text("x"),
    "a link": lambda f: (f / "link").symlink_to("/etc/passwd"),
    "a row twice": _add_row_and_forge,
    "no record": _no_record_and_forge,
    "another blob": _another_blob_and_forge,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_archive_is_refused_and_nothing_is_written(
    damage: Callable[[Path], object], kept: Path, tmp_path: Path
) -> None:
    shutil.copytree(kept / "folder", tmp_path / "copy")
    damage(tmp_path / "copy")
    with pytest.raises(Untrusted):
        restore(tmp_path / "copy", installation(settings_at(tmp_path / "home")))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.9])
def test_a_tar_that_was_cut_is_refused(place: float, kept: Path, tmp_path: Path) -> None:
    whole = (kept / "one.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: int(len(whole) * place)])
    with pytest.raises(Untrusted):
        restore(tmp_path / "cut.tar", installation(settings_at(tmp_path / "home")))
    assert not (tmp_path / "home").exists()


def test_a_name_that_leads_elsewhere_is_refused(kept: Path, tmp_path: Path) -> None:
    shutil.copy(kept / "one.tar", tmp_path / "evil.tar")
    (tmp_path / "payload").write_text("x")
    with tarfile.open(tmp_path / "evil.tar", "a") as tar:
        tar.add(tmp_path / "payload", "../../outside")
    with pytest.raises(Untrusted, match="not in its manifest"):
        restore(tmp_path / "evil.tar", installation(settings_at(tmp_path / "a" / "home")))
    assert not (tmp_path / "outside").exists()


def test_a_place_that_is_not_empty_is_refused(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "notes.txt").write_text("mine")
    with pytest.raises(WrongState, match="holds notes"):
        restore(kept / "folder", installation(settings_at(tmp_path / "home")))
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["notes.txt"]
    house = house_at(tmp_path / "other")
    with pytest.raises(WrongState, match="not empty"):
        restore(kept / "folder", installation(settings_at(tmp_path / "new", house.platform.settings.database_url)))
    assert not (tmp_path / "new").exists()
    house.platform.close()


def test_an_empty_folder_that_is_there_is_fine_and_so_is_what_a_dead_restore_left(kept: Path, tmp_path: Path) -> None:
    left = tmp_path / "home" / STAGE / "database"
    left.mkdir(parents=True)
    restore(kept / "one.tar", installation(settings_at(tmp_path / "home")))
    assert not (tmp_path / "home" / STAGE).exists()
    assert (tmp_path / "home" / "modelyard.db").is_file()


def test_a_backup_overwrites_nothing(kept: Path) -> None:
    with pytest.raises(AlreadyExists):
        backup(installation(settings_at(kept / "home")), kept / "one.tar")
    assert Archive(kept / "one.tar").manifest.rows["audit"] > 0


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no database"):
        backup(installation(settings_at(tmp_path / "nothing")), tmp_path / "x.tar")
    with pytest.raises(NotFound, match="no backup"):
        restore(tmp_path / "x.tar", installation(settings_at(tmp_path / "home")))
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_another_form_or_schema_is_told_apart(kept: Path, tmp_path: Path) -> None:
    for number, (change, error) in enumerate(
        (({"format": "modelyard-backup/99"}, InvalidInput), ({"facts": {"schema": "9999", "version": "9.0"}}, Conflict))
    ):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(kept / "folder", copy)
        manifest = json.loads((copy / MANIFEST).read_bytes())["manifest"]
        manifest |= change
        (copy / MANIFEST).write_bytes(Manifest.model_validate(manifest).to_json())
        with pytest.raises(error):
            restore(copy, installation(settings_at(tmp_path / "home")))
        assert not (tmp_path / "home").exists()


def test_a_swapped_blob_is_not_backed_up(kept: Path, tmp_path: Path) -> None:
    settings = copy_of(kept, tmp_path / "home")
    blob = _one(tmp_path / "home" / "blobs", "sha256/*/*")
    blob.chmod(0o600)
    blob.write_bytes(b"another model")
    with pytest.raises(Untrusted, match=blob.name):
        backup(installation(settings), tmp_path / "x.tar")
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("name", ["x", "x.tar"])
def test_a_full_disk_is_told_and_leaves_nothing(name: str, kept: Path, tmp_path: Path) -> None:
    with _no_file_beyond(500_000), pytest.raises(StorageFull):
        backup(installation(settings_at(kept / "home")), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_while_restoring_leaves_nothing(kept: Path, tmp_path: Path) -> None:
    with _no_file_beyond(500_000), pytest.raises(StorageFull):
        restore(kept / "folder", installation(settings_at(tmp_path / "home")))
    assert not (tmp_path / "home").exists()


class _no_file_beyond:  # noqa: N801 -- reads as a phrase
    """The kernel refuses to let files grow beyond so many bytes, as a full disk would."""

    def __init__(self, size: int) -> None:
        self._size, self._before = size, resource.getrlimit(resource.RLIMIT_FSIZE)

    def __enter__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


def test_a_place_that_cannot_be_written_is_told(kept: Path) -> None:
    for where in (Path("/proc/modelyard-backup.tar"), Path("/proc/version/backup")):
        with pytest.raises(Unavailable):
            backup(installation(settings_at(kept / "home")), where)
    with pytest.raises(Unavailable):
        restore(kept / "one.tar", installation(settings_at(Path("/proc/modelyard-home"))))


def test_an_edited_row_is_not_backed_up_quietly(kept: Path, tmp_path: Path) -> None:
    settings = copy_of(kept, tmp_path / "home")
    _edit(settings, "UPDATE use_cases SET body = '{}'")
    with pytest.raises(Untrusted, match="use_cases"):
        backup(installation(settings), tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()


def test_an_edit_that_parses_is_found_where_it_is_restored(kept: Path, tmp_path: Path) -> None:
    settings = copy_of(kept, tmp_path / "home")
    _edit(settings, "UPDATE use_cases SET body = replace(body, 'medium', 'low')")
    backup(installation(settings), tmp_path / "x.tar")
    restore(tmp_path / "x.tar", installation(settings_at(tmp_path / "elsewhere")))
    after = build(settings_at(tmp_path / "elsewhere"))
    assert any("use_cases" in fault for fault in faults_of(after))
    after.close()


def _edit(settings: Settings, statement: str) -> None:
    with sqlite3.connect(settings.home / "modelyard.db") as connection:
        connection.execute(statement)
    connection.close()
