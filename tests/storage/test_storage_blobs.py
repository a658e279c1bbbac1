"""The contract of the blobs port, in memory, in a folder and on a real S3 server."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core.blobs import Blobs
from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput, NotFound, StorageFull, TooLarge, Unavailable, Untrusted
from modelyard.storage.blobs import PART, PIECE, LocalBlobs, ObjectBlobs, blobs_at

NOBODY = "sha256:" + "0" * 64


@pytest.fixture(params=["memory", "local", "s3"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def blobs(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if place == "memory":
        return blobs_at("memory://")
    if place == "local":
        return blobs_at(str(tmp_path / "blobs"))
    return blobs_at(f"s3://modelyard/{tmp_path.name}-{os.getpid()}", request.getfixturevalue("s3_options"))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, 3 * PIECE + 7, PART + 1, 3 * PART])
def test_what_is_put_comes_back(blobs: Blobs, size: int) -> None:
    content = os.urandom(size)
    info = blobs.put(io.BytesIO(content), expected=digest(content))
    assert (info.digest, info.size) == (digest(content), size)
    assert b"".join(blobs.open(info.digest)) == content
    assert (blobs.exists(info.digest), blobs.size(info.digest), list(blobs.digests())) == (True, size, [info.digest])
    blobs.verify(info.digest)


def test_a_stream_may_be_pieces(blobs: Blobs) -> None:
    assert blobs.put(iter([b"a", b"", b"bc"])).digest == digest(b"abc")


def test_the_same_content_is_kept_once(blobs: Blobs) -> None:
    assert blobs.put(io.BytesIO(b"x")) == blobs.put(io.BytesIO(b"x"))
    assert list(blobs.digests()) == [digest(b"x")]


def test_unknown_blobs_are_not_found(blobs: Blobs) -> None:
    assert not blobs.exists(NOBODY)
    for ask in (blobs.open, blobs.size, blobs.path, blobs.verify, blobs.remove):
        with pytest.raises(NotFound):
            ask(NOBODY)


@pytest.mark.parametrize(
    "name", ["", "x", "sha256:", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "0" * 64, NOBODY + "\n/.."]
)
def test_what_is_no_digest_is_refused(blobs: Blobs, name: str) -> None:
    for ask in (blobs.exists, blobs.open, blobs.size, blobs.path, blobs.remove):
        with pytest.raises(InvalidInput):
            ask(name)


def test_other_bytes_than_expected_are_not_kept(blobs: Blobs) -> None:
    with pytest.raises(Untrusted):
        blobs.put(io.BytesIO(b"x"), expected=digest(b"y"))
    with pytest.raises(InvalidInput):
        blobs.put(io.BytesIO(b"x"), expected="y")
    assert list(blobs.digests()) == []


def test_too_much_is_refused_early(blobs: Blobs) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += PIECE
            yield bytes(PIECE)

    with pytest.raises(TooLarge):
        blobs.put(endless(), limit=3 * PIECE)
    assert taken <= 4 * PIECE
    assert list(blobs.digests()) == []
    assert blobs.put(io.BytesIO(b"abc"), limit=3).size == 3


def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"x" * PIECE
        raise ConnectionResetError("the client has gone")

    with pytest.raises((ConnectionResetError, Unavailable)):
        blobs.put(breaking())
    assert list(blobs.digests()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_removed_blob_is_gone(blobs: Blobs) -> None:
    info = blobs.put(io.BytesIO(b"personal"))
    blobs.remove(info.digest)
    assert not blobs.exists(info.digest)


@pytest.mark.parametrize("damage", ["changed", "shorter", "longer", "empty"])
def test_damage_is_found_before_the_last_piece_is_given(tmp_path: Path, damage: str) -> None:
    blobs = LocalBlobs(tmp_path)
    content = os.urandom(2 * PIECE + 5)
    info = blobs.put(io.BytesIO(content))
    path = blobs.path(info.digest)
    assert path is not None
    path.chmod(0o644)
    damaged = {"changed": b"X" + content[1:], "shorter": content[:-1], "longer": content + b"X", "empty": b""}[damage]
    path.write_bytes(damaged)
    received = b""
    with pytest.raises(Untrusted):  # noqa: PT012 -- what was given before the error matters
        for piece in blobs.open(info.digest):
            received += piece
    assert len(received) < len(content)
    with pytest.raises(Untrusted):
        blobs.verify(info.digest)
    blobs.put(io.BytesIO(content))  # and putting it again heals it
    blobs.verify(info.digest)


def test_a_damaged_object_is_found_too() -> None:
    import obstore
    from obstore.store import MemoryStore

    store: Any = MemoryStore()
    blobs = ObjectBlobs(store)
    info = blobs.put(io.BytesIO(b"right"))
    obstore.put(store, f"sha256/{info.digest[7:9]}/{info.digest[7:]}", b"wrong")
    with pytest.raises(Untrusted):
        blobs.verify(info.digest)


def test_strangers_in_the_folder_are_no_blobs(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put(io.BytesIO(b"x"))
    (tmp_path / "sha256" / "2d" / "note.txt").parent.mkdir(exist_ok=True)
    (tmp_path / "sha256" / "2d" / "note.txt").write_text("x")
    assert list(blobs.digests()) == [digest(b"x")]


SLOW = """
import sys
from pathlib import Path
from modelyard.storage.blobs import LocalBlobs

def stream():
    yield b"x" * (5 << 20)
    print("half", flush=True)
    sys.stdin.read()
    yield b"y"

LocalBlobs(Path(sys.argv[1])).put(stream())
"""


def test_an_upload_killed_half_way_leaves_nothing_visible(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    blobs = LocalBlobs(tmp_path)
    assert list(blobs.digests()) == []
    assert blobs.sweep() == 0  # it might still go on
    assert blobs.sweep(timedelta(seconds=-1)) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


LARGE = """
import sys
from pathlib import Path
from modelyard.storage.blobs import LocalBlobs

piece = bytes(range(256)) * 4096
blobs = LocalBlobs(Path(sys.argv[1]))
info = blobs.put(piece for _ in range(int(sys.argv[2])))
blobs.verify(info.digest)
# ru_maxrss would count what the parent had when it forked.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(info.size, int(peak) // 1024)
blobs.remove(info.digest)
"""


@pytest.mark.parametrize("megabytes", [600, pytest.param(2048, marks=pytest.mark.slow)])
def test_a_large_upload_needs_little_memory(tmp_path: Path, megabytes: int) -> None:
    command = [sys.executable, "-c", LARGE, str(tmp_path), str(megabytes)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    size, peak = map(int, output.split())
    assert size == megabytes << 20
    assert peak < 100


FULL = """
import resource, signal, sys
from pathlib import Path
from modelyard.core.errors import StorageFull
from modelyard.storage.blobs import LocalBlobs

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
blobs = LocalBlobs(Path(sys.argv[1]))
try:
    blobs.put(bytes(1 << 19) for _ in range(4))
except StorageFull as error:
    print("full", list(blobs.digests()), list(Path(sys.argv[1]).rglob("*.part")))
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    output = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "full [] []"


def test_no_room_on_the_device_is_storage_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(StorageFull):
        LocalBlobs(tmp_path).put(io.BytesIO(b"x"))
    assert list(LocalBlobs(tmp_path).digests()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match="writable"):
        LocalBlobs(tmp_path / "file").put(io.BytesIO(b"x"))
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(Unavailable, match="writable"):
            LocalBlobs(tmp_path / "locked").put(io.BytesIO(b"x"))


@pytest.mark.parametrize("url", ["ftp://x/y", "s4://bucket"])
def test_places_of_no_known_kind_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        blobs_at(url)


def test_a_store_that_does_not_answer_is_unavailable() -> None:
    options = {"endpoint": "http://127.0.0.1:1", "region": "x", "skip_signature": True, "client_options": {"allow_http": True}}
    blobs = blobs_at("s3://bucket", options | {"retry_config": {"max_retries": 0}})
    with pytest.raises(Unavailable):
        blobs.put(io.BytesIO(b"x"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=2000), max_size=8))
def test_the_digest_does_not_depend_on_the_pieces(tmp_path: Path, pieces: list[bytes]) -> None:
    blobs = LocalBlobs(tmp_path)
    whole = b"".join(pieces)
    info = blobs.put(iter(pieces))
    assert info.digest == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert b"".join(blobs.open(info.digest)) == whole
