"""Disks that refuse: at every point where the log meets the disk, with every word the kernel has for it. What was acknowledged
stays readable, what was refused is not there, and when the disk is well again the log goes on without a restart."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from decision_rows import consistent, rows

from modelyard.core.clock import ManualClock
from modelyard.core.errors import StorageFull
from modelyard.core.faults import FaultAt
from modelyard.decisions import (
    Compactor,
    DecisionIds,
    DecisionLog,
    DecisionReader,
    Keeping,
    Limits,
    LogDamaged,
    LogUnwritable,
    Window,
    journal,
)

AT_ONCE = Keeping(segments_for=timedelta(0), files_for=timedelta(0))


def shown(root: Path) -> list[str]:
    return consistent(DecisionReader(root).scan(Window()))


@pytest.mark.parametrize("point", ["decisions.segment.starting", "decisions.commit.begun", "decisions.commit.written"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_refused_batch_is_not_there_and_the_next_one_is(tmp_path: Path, point: str, number: int) -> None:
    """Proves what the log makes of an error; that the kernel gives such errors is shown by the tests on real disks below."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    acknowledged = []
    with DecisionLog(tmp_path, "w", limits=Limits(segment_bytes=1), faults=FaultAt(point, fail, 2)) as log:
        for name in ("a", "b", "c", "d"):
            try:
                log.append(rows([name]))
                acknowledged.append(name)
            except StorageFull:
                assert number in (errno.ENOSPC, errno.EDQUOT)
            except LogUnwritable:
                assert number in (errno.EIO, errno.EROFS)
            assert shown(tmp_path) == acknowledged
    assert len(acknowledged) == 3
    assert Compactor(tmp_path, keeping=AT_ONCE).run().rows == 3
    assert sorted(shown(tmp_path)) == acknowledged


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_segment_that_cannot_be_sealed_refuses_nobody(tmp_path: Path, number: int) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    with DecisionLog(tmp_path, "w", limits=Limits(segment_bytes=1), faults=FaultAt("decisions.seal", fail)) as log:
        for name in ("a", "b"):
            log.append(rows([name]))
        assert shown(tmp_path) == ["a", "b"]
        assert not (tmp_path / "w" / "000000000001.json").exists()
        log.append(rows(["c"]))
        assert (tmp_path / "w" / "000000000001.json").exists()
    assert shown(tmp_path) == ["a", "b", "c"]


def test_no_row_is_written_behind_a_seal_that_is_half_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal's name is there when syncing its folder fails: a row appended after it would be in no index."""
    whole = journal.write_seal

    def torn(path: object, size: int, frames: object) -> None:
        whole(path, size, frames)  # type: ignore[arg-type]
        raise OSError(errno.EIO, "cannot sync the folder")

    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["a"]))
        monkeypatch.setattr(journal, "write_seal", torn)
        with pytest.raises(LogUnwritable):
            log.seal()
        log.append(rows(["b"]))
        assert shown(tmp_path) == ["a", "b"]
        monkeypatch.setattr(journal, "write_seal", whole)
    assert shown(tmp_path) == ["a", "b"]


def test_bytes_that_cannot_be_taken_back_are_cut_later(tmp_path: Path) -> None:
    """The kernel's own full device in the segment's place refuses the bytes, and then refuses to be cut."""
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["a"]))
        full = os.open("/dev/full", os.O_RDWR)
        segment = log._journal._open
        assert segment is not None
        os.dup2(full, segment.descriptor)
        os.close(full)
        with pytest.raises(StorageFull):
            log.append(rows(["b"]))
        log.append(rows(["c"]))
        assert shown(tmp_path) == ["a", "c"]
    assert Compactor(tmp_path).run().rows == 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root may mount; the same is shown with a limit on file sizes in test_decisions_crash")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_real_disk_that_is_full_and_then_has_room_again(disk: Path) -> None:
    """The kernel writes a part of a batch and then no more, in segments, seals and new files alike."""
    acknowledged, refused = [], 0
    ballast = disk / "ballast"
    with DecisionLog(disk / "log", "w", limits=Limits(segment_bytes=20_000)) as log:
        for turn in range(3):
            for n in range(400):
                batch = [f"dec_{turn}_{n}_{k}" for k in range(5)]
                try:
                    log.append(rows(batch))
                except StorageFull:
                    refused += 1
                    break
                acknowledged += batch
                if n == 20:
                    ballast.write_bytes(bytes(_room(disk) - 30_000))
            assert shown(disk / "log") == acknowledged
            ballast.unlink()
            log.append(rows([f"after_{turn}"]))
            acknowledged.append(f"after_{turn}")
            if turn == 1:
                subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    assert refused == 3
    assert shown(disk / "log") == acknowledged
    ballast.write_bytes(bytes(_room(disk) - 20_000))
    with pytest.raises(StorageFull):
        Compactor(disk / "log", keeping=AT_ONCE).run()
    assert shown(disk / "log") == acknowledged
    ballast.unlink()
    assert Compactor(disk / "log", keeping=AT_ONCE).run().rows == len(acknowledged)
    assert sorted(shown(disk / "log")) == sorted(acknowledged)


def _room(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_bsize


def test_a_real_read_only_disk_is_told_and_readable(disk: Path) -> None:
    with DecisionLog(disk / "log", "w") as log:
        log.append(rows(["a"]))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(LogUnwritable):
        DecisionLog(disk / "log", "w")
    with pytest.raises(LogUnwritable):
        Compactor(disk / "log").run()
    assert shown(disk / "log") == ["a"]


class Steps(ManualClock):
    def back(self, by: timedelta) -> None:
        self._now -= by


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    clock = Steps()
    ids = DecisionIds(clock)
    minted = []
    with DecisionLog(tmp_path, "w", clock=clock, limits=Limits(segment_age=3600)) as log:
        minted += ids.mint(2)
        log.append(rows(minted[:2]))
        clock.back(timedelta(days=400))
        log.seal_if_due()
        minted += ids.mint(2)
        log.append(rows(minted[2:]))
        clock.advance(timedelta(minutes=61))
        log.seal_if_due()
        assert (tmp_path / "w" / "000000000001.json").exists()
        assert minted == sorted(set(minted))
        done = Compactor(tmp_path, clock=clock, keeping=AT_ONCE).run()
        assert (done.segments, done.rows) == (1, 4)
    assert sorted(shown(tmp_path)) == minted


@pytest.mark.parametrize("content", [b"", b'{"size":12', b"\x00" * 50], ids=["empty", "cut", "zeros"])
def test_a_torn_seal_is_made_again(tmp_path: Path, content: bytes) -> None:
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["a"]))
        log.append(rows(["b"]))
    seal = tmp_path / "w" / "000000000001.json"
    whole = seal.read_bytes()
    seal.write_bytes(content)
    assert shown(tmp_path) == ["a", "b"]
    with DecisionLog(tmp_path, "next") as log:
        assert log._journal.adopted == 1
    assert seal.read_bytes() == whole
    seal.unlink()
    assert Compactor(tmp_path, keeping=AT_ONCE).run().rows == 2
    assert sorted(shown(tmp_path)) == ["a", "b"]


def test_a_torn_seal_beside_a_torn_tail_is_damage(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["a"]))
        log.append(rows(["b"]))
    segment = tmp_path / "w" / "000000000001.seg"
    os.truncate(segment, segment.stat().st_size - 5)
    (tmp_path / "w" / "000000000001.json").write_bytes(b"{")
    with pytest.raises(LogDamaged, match=r"w/000000000001\.seg"):
        shown(tmp_path)
    with DecisionLog(tmp_path, "next"):
        pass
    assert Compactor(tmp_path).run().damaged == ("w/000000000001.seg",)
    with pytest.raises(LogDamaged):
        shown(tmp_path)
