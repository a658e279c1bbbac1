"""Room made ahead of a busy writer: what is read is the same, whoever dies, whatever is damaged, however full the disk is."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from decision_rows import consistent, rows, writing
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import StorageFull
from modelyard.core.faults import FaultAt
from modelyard.decisions import Compactor, DecisionLog, DecisionReader, Limits, LogDamaged, Window
from modelyard.decisions.framing import FRAME
from modelyard.decisions.layout import segments
from modelyard.decisions.segment import SegmentReader
from tests.conftest import examples

ROOM = 1 << 16
BUSY = Limits(room=ROOM)
MOST = 50_000


def shown(root: Path) -> list[str]:
    return consistent(DecisionReader(root).scan(Window()))


def busy(log: DecisionLog, until: Callable[[], bool], name: str = "d") -> list[str]:
    """Small commits until it is so."""
    done: list[str] = []
    while not until():
        batch = [f"{name}{len(done) + k:06d}" for k in range(7)]
        log.append(rows(batch))
        done += batch
        assert len(done) < MOST, "it does not come about"
    return done


def roomy(folder: Path, number: int = 2) -> Callable[[], bool]:
    """Whether this segment begins in room, and has rows there."""

    def there() -> bool:
        found = [path for path in segments(folder) if path.number == number]
        return bool(found) and found[0].data.stat().st_size == ROOM and _reader(found[0].data).end > 10_000

    return there


def _reader(data: Path) -> SegmentReader:
    reader = SegmentReader(next(path for path in segments(data.parent) if path.data == data))
    reader.refresh()
    return reader


def test_a_busy_writer_goes_on_in_room_and_readers_see_rows_alone(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    with DecisionLog(tmp_path, "w", limits=BUSY) as log:
        reader = DecisionReader(tmp_path)
        done = busy(log, roomy(folder))
        assert consistent(reader.scan(Window())) == shown(tmp_path) == done
        done += busy(log, lambda: len(segments(folder)) == 4, "e")
        assert consistent(reader.scan(Window())) == shown(tmp_path) == done
        sealed = segments(folder)[1]
        assert sealed.data.stat().st_size == _reader(sealed.data).end >= ROOM, "room is filled before the next is begun"
    assert not (folder / "room").exists()
    for path in segments(folder):
        assert path.data.stat().st_size == _reader(path.data).end, "nothing of the room is left behind a sealed segment"
    assert Compactor(tmp_path).run().rows == len(done)


def test_a_quiet_writer_and_one_of_large_batches_have_none(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "quiet", limits=Limits(room=1 << 20)) as log:
        for n in range(50):
            log.append(rows([f"q{n}"]))
        assert log._journal._ahead._making is None
    with DecisionLog(tmp_path, "large", limits=BUSY) as log:
        for n in range(3):
            log.append(rows([f"l{n}_{k}_{os.urandom(100).hex()}" for k in range(600)]))
        assert log._journal._ahead._making is None
        assert log._journal._open is not None
        assert log._journal._open.offset > 16 * ROOM
    with DecisionLog(tmp_path, "none") as log:
        busy(log, lambda: log._journal._open is not None and log._journal._open.offset > ROOM)
        assert log._journal._ahead._making is None


@settings(max_examples=examples(8, hunt=400), deadline=None)
@given(st.data())
def test_batches_of_all_sizes_are_read_in_order(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Frames that fill the room to its end, pass it, or are larger than what is read at a time."""
    root, done = tmp_path_factory.mktemp("log"), list[str]()
    with DecisionLog(root, "w", limits=Limits(room=data.draw(st.sampled_from([4096, 20_000, ROOM])))) as log:
        reader = DecisionReader(root)
        for turn in range(data.draw(st.integers(5, 40))):
            count = data.draw(st.sampled_from([1, 2, 9, 40, 40, 300]))
            batch = [f"{turn:03d}_{k:04d}" for k in range(count)]
            log.append(rows(batch))
            done += batch
            if data.draw(st.integers(0, 3)) == 0:
                assert consistent(reader.scan(Window())) == shown(root) == done
        assert consistent(reader.scan(Window())) == shown(root) == done
    assert shown(root) == done


def test_who_reads_while_it_is_written_sees_all_that_was_acknowledged_and_no_damage(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    looks = 0

    def write(log: DecisionLog) -> None:
        while len(segments(tmp_path / "w")) < 4 or looks < 5:
            batch = [f"d{len(acknowledged) + k:07d}" for k in range(40)]
            log.append(rows(batch))
            acknowledged.extend(batch)

    with DecisionLog(tmp_path, "w", limits=BUSY) as log:
        writer = threading.Thread(target=write, args=(log,))
        writer.start()
        reader = DecisionReader(tmp_path)
        while writer.is_alive():
            before = len(acknowledged)
            found = (reader if looks % 2 else DecisionReader(tmp_path)).scan(Window(), ["id"])["id"].to_pylist()
            assert found[:before] == acknowledged[:before]
            assert found == sorted(set(found))
            looks += 1
        writer.join()
    assert shown(tmp_path) == acknowledged


def test_a_writer_that_is_killed_in_its_room(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(2):
        child = subprocess.Popen(writing(tmp_path, f"{turn}", room=ROOM), stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        last = len(segments(tmp_path / "w"))
        there = roomy(tmp_path / "w", last + 2)
        while not there():
            acknowledged += child.stdout.readline().split()
        child.kill()
        rest = child.stdout.read()
        child.wait()
        acknowledged += [i for line in rest.splitlines(keepends=True) if line.endswith("\n") for i in line.split()]
        assert set(acknowledged) <= set(shown(tmp_path))
    with DecisionLog(tmp_path, "next"):
        ids = shown(tmp_path)
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids)
    assert not (tmp_path / "w" / "room").exists()
    for path in segments(tmp_path / "w"):
        assert path.seal.exists()
        assert path.data.stat().st_size == _reader(path.data).end


@pytest.fixture
def dead(tmp_path: Path) -> tuple[Path, list[str]]:
    """An open segment in room, as a writer that died leaves it, and the ids in the log."""
    root = tmp_path / "log"
    with DecisionLog(root, "w", limits=BUSY) as log:
        done = busy(log, roomy(root / "w"))
        copy = tmp_path / "copy"
        (copy / "w").mkdir(parents=True)
        for path in (root / "w").iterdir():
            (copy / "w" / path.name).write_bytes(path.read_bytes())
    return copy, done


def test_a_torn_frame_in_room_is_cut(dead: tuple[Path, list[str]]) -> None:
    root, done = dead
    data = segments(root / "w")[-1].data
    reader = _reader(data)
    last = reader.frames[-1]
    content = bytearray(data.read_bytes())
    content[last.end - 20 : last.end] = bytes(20)
    data.write_bytes(content)
    kept = done[: -last.meta.rows]
    assert shown(root) == kept
    with DecisionLog(root, "next"):
        assert shown(root) == kept
    assert data.stat().st_size == last.offset


@pytest.mark.parametrize("what", ["zeros", "a bit", "garbage"])
@pytest.mark.parametrize("frame", [0, 5, -2])
def test_damage_in_room_is_told(dead: tuple[Path, list[str]], frame: int, what: str) -> None:
    """A frame that is zeros looks as room does; what comes after it tells."""
    root, done = dead
    data = segments(root / "w")[-1].data
    place = _reader(data).frames[frame]
    assert shown(root) == done
    reader = DecisionReader(root)
    assert len(reader.scan(Window())) == len(done)
    content = bytearray(data.read_bytes())
    if what == "a bit":
        content[place.end - 7] ^= 4
    else:
        size = place.end - place.offset
        content[place.offset : place.end] = bytes(size) if what == "zeros" else (FRAME * size)[:size]
    with data.open("r+b") as same:
        same.write(content)
    for whoever in (reader, DecisionReader(root)):
        with pytest.raises(LogDamaged, match="damaged"):
            whoever.scan(Window())
    with DecisionLog(root, "next") as log:
        assert log._journal.damaged
    assert data.read_bytes() == content, "what is damaged stays as it is"


def test_a_disk_that_refuses_room_or_has_little_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log goes on without; that room is free on the disk is asked of the disk."""
    monkeypatch.setattr("modelyard.decisions.room._FREE", 1 << 50)
    with DecisionLog(tmp_path, "w", limits=BUSY) as log:
        done = busy(log, lambda: log._journal._open is not None and log._journal._open.offset > 2 * ROOM)
        assert len(segments(tmp_path / "w")) == 1
        assert not (tmp_path / "w" / "room").exists()
        assert shown(tmp_path) == done


def test_a_disk_that_fails_when_room_is_taken(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with DecisionLog(tmp_path, "w", limits=BUSY, faults=FaultAt("decisions.room.taken", fail)) as log:
        done: list[str] = []

        def until_it_fails() -> None:
            while len(done) < MOST:
                batch = [f"d{len(done)}"]
                log.append(rows(batch))
                done.extend(batch)

        with pytest.raises(StorageFull):
            until_it_fails()
        assert shown(tmp_path) == done
        assert not (tmp_path / "w" / "room").exists()
        done += busy(log, roomy(tmp_path / "w", 4), "e")
        assert shown(tmp_path) == done
