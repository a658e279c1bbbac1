"""Crashes, cut files, flipped bits, full disks: an acknowledged batch is never lost and no wrong row is ever read."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from decision_rows import consistent, rows, writing
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import StorageFull
from modelyard.core.faults import FaultAt
from modelyard.decisions import DecisionLog, DecisionReader, LogDamaged, LogUnwritable, Window


def _abandon(log: DecisionLog) -> None:
    """What a crash leaves: the lock is free, the segment is open."""
    journal = log._journal
    journal._lock.close()
    if journal._open is not None:
        os.close(journal._open.descriptor)
        journal._open = None


def _sizes(path: Path, batches: list[list[str]]) -> list[int]:
    """Append the batches and say how long the segment was after each."""
    log = DecisionLog(path, "w")
    sizes = []
    for batch in batches:
        log.append(rows(batch))
        sizes.append((path / "w" / "000000000001.seg").stat().st_size)
    _abandon(log)
    return sizes


@given(counts=st.lists(st.integers(1, 120), min_size=1, max_size=4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_cut_anywhere_keeps_every_batch_before_it(counts: list[int], data: st.DataObject) -> None:
    batches = [[f"dec_{b}_{n}" for n in range(count)] for b, count in enumerate(counts)]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        sizes = _sizes(root, batches)
        first = sizes[0]
        cut = data.draw(st.integers(0, sizes[-1] - first) if len(sizes) > 1 else st.just(0)) + first
        os.truncate(root / "w" / "000000000001.seg", cut)
        whole = [i for batch, size in zip(batches, sizes, strict=True) if size <= cut for i in batch]
        assert consistent(DecisionReader(root).scan(Window())) == whole
        with DecisionLog(root, "w2") as adopter:
            adopter.append(rows(["after"]))
            assert consistent(DecisionReader(root).scan(Window())) == [*whole, "after"]
        assert (root / "w" / "000000000001.json").exists()


def test_every_byte_of_the_tail(tmp_path: Path) -> None:
    sizes = _sizes(tmp_path, [["a"], ["b"], ["c"]])
    segment = tmp_path / "w" / "000000000001.seg"
    content = segment.read_bytes()
    for cut in range(sizes[1], sizes[2]):
        segment.write_bytes(content[:cut])
        assert DecisionReader(tmp_path).scan(Window(), ["id"])["id"].to_pylist() == ["a", "b"]
    for cut in range(sizes[1], sizes[2], 7):
        if any(content[cut:]):
            segment.write_bytes(content[:cut] + bytes(sizes[2] - cut))
            assert DecisionReader(tmp_path).scan(Window(), ["id"])["id"].to_pylist() == ["a", "b"]


@given(flip=st.integers(0, 10_000), bit=st.integers(0, 7), sealed=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_is_never_an_answer(flip: int, bit: int, sealed: bool) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        log = DecisionLog(root, "w")
        for name in ("a", "b", "c"):
            log.append(rows([name]))
        segment = root / "w" / "000000000001.seg"
        header_end = segment.read_bytes().index(b"MYFR")
        last = segment.read_bytes().rindex(b"MYFR")
        if sealed:
            log.close()
        else:
            _abandon(log)
        content = bytearray(segment.read_bytes())
        place = flip % len(content)
        content[place] ^= 1 << bit
        segment.write_bytes(content)
        if not sealed and place >= last and place >= header_end:
            assert consistent(DecisionReader(root).scan(Window())) == ["a", "b"]
        else:
            with pytest.raises(LogDamaged):
                DecisionReader(root).scan(Window())


def test_text_that_looks_like_a_frame_is_not_one(tmp_path: Path) -> None:
    _sizes(tmp_path / "first", [["a"]])
    segment = (tmp_path / "first" / "w" / "000000000001.seg").read_bytes()
    frame = segment[segment.index(b"MYFR") :].decode("latin-1")
    log = DecisionLog(tmp_path / "second", "w")
    log.append(rows(["b"]))
    before = (tmp_path / "second" / "w" / "000000000001.seg").stat().st_size
    hostile = rows(["c"])
    hostile.rows = {**hostile.rows, "inputs": [frame + "MYFR" + frame]}
    log.append(hostile)
    _abandon(log)
    path = tmp_path / "second" / "w" / "000000000001.seg"
    os.truncate(path, path.stat().st_size - 3)
    assert path.stat().st_size > before
    assert consistent(DecisionReader(tmp_path / "second").scan(Window())) == ["b"]


@pytest.mark.parametrize("point", ["decisions.commit.written", "decisions.segment.started"])
def test_a_failed_write_leaves_nothing_visible(tmp_path: Path, point: str) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with DecisionLog(tmp_path, "w", faults=FaultAt(point, fail)) as log:
        with pytest.raises(StorageFull):
            log.append(rows(["lost"]))
        assert DecisionReader(tmp_path).scan(Window()).num_rows == 0
        log.append(rows(["kept"]))
        assert consistent(DecisionReader(tmp_path).scan(Window())) == ["kept"]


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """The kernel refuses bytes in the middle of a batch, as on a full disk; when there is room again the log goes on."""
    with DecisionLog(tmp_path, "w") as log:
        log.append(rows(["a"]))
        size = (tmp_path / "w" / "000000000001.seg").stat().st_size
        with _largest_file(size + 100), pytest.raises(StorageFull) as caught:
            log.append(rows(["b"]))
        assert caught.value.hint
        assert consistent(DecisionReader(tmp_path).scan(Window())) == ["a"]
        log.append(rows(["c"]))
        assert consistent(DecisionReader(tmp_path).scan(Window())) == ["a", "c"]
        assert len(list(tmp_path.glob("w/*.seg"))) == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LogUnwritable):
        DecisionLog(tmp_path / "file", "w")
    script = (
        "import os, sys, pathlib\n"
        "from modelyard.decisions import DecisionLog, LogUnwritable\n"
        "os.getuid() or os.setuid(65534)\n"
        "try: DecisionLog(pathlib.Path(sys.argv[1]), 'w')\n"
        "except LogUnwritable as error: print(error.hint)\n"
    )
    with TemporaryDirectory() as locked:
        Path(locked).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", script, locked], capture_output=True, text=True, check=True)
    assert "writable" in done.stdout


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(3):
        child = subprocess.Popen(
            writing(tmp_path, f"{turn}", segment_bytes=40_000),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        acknowledged += [i for _ in range(60) for i in child.stdout.readline().split()]
        child.kill()
        rest = child.stdout.read()
        child.wait()
        acknowledged += [i for line in rest.splitlines(keepends=True) if line.endswith("\n") for i in line.split()]
    with DecisionLog(tmp_path, "next"):
        ids = consistent(DecisionReader(tmp_path).scan(Window()))
    assert len(ids) == len(set(ids))
    assert set(acknowledged) <= set(ids)
    assert len(ids) - len(acknowledged) <= 3 * 7


def test_damage_elsewhere_does_not_keep_a_writer_from_starting(tmp_path: Path) -> None:
    _sizes(tmp_path, [["a"], ["b"], ["c"]])
    segment = tmp_path / "w" / "000000000001.seg"
    content = bytearray(segment.read_bytes())
    content[content.index(b"MYFR") + 30] ^= 1
    segment.write_bytes(content)
    with DecisionLog(tmp_path, "next") as log:
        log.append(rows(["d"]))
        with pytest.raises(LogDamaged) as caught:
            DecisionReader(tmp_path).scan(Window())
    assert "w/000000000001.seg" in caught.value.detail
    assert segment.read_bytes() == content


def test_a_writer_waits_for_those_who_tidy_up_after_it(tmp_path: Path) -> None:
    """Writers that start and die under one name while another adopts all the time: nobody is told that the name is taken."""
    stop = threading.Event()

    def adopt() -> None:
        with DecisionLog(tmp_path, "tidy") as other:
            while not stop.is_set():
                other.adopt_dead()

    thread = threading.Thread(target=adopt)
    thread.start()
    try:
        for turn in range(30):
            log = DecisionLog(tmp_path, "w")
            log.append(rows([f"dec_{turn}"]))
            _abandon(log)
    finally:
        stop.set()
        thread.join()
    assert len(consistent(DecisionReader(tmp_path).scan(Window()))) == 30
