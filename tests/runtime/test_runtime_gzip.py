"""Compressed bodies in and out, and bodies that would not fit when unpacked."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from forms_stage import LARGEST_BODY, Served

BODY = json.dumps([{"a": n, "b": 0} for n in range(3)]).encode()
MANY = json.dumps([{"a": n, "b": 0} for n in range(2000)]).encode()


def post(served: Served, body: bytes, encoding: str, path: str = "/decide/hold", **headers: str) -> Any:
    fields = {"content-type": "application/json", "content-encoding": encoding} | headers
    return served.client.post(path, content=body, headers=fields)


def squeezed(name: str, body: bytes) -> bytes:
    return {
        "gzip": gzip.compress,
        "x-gzip": gzip.compress,
        "deflate": zlib.compress,
        "identity": bytes,
        "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
        "br": lambda data: pa.compress(data, "brotli", asbytes=True),
    }[name](body)


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "deflate", "identity", "zstd", "br"])
def test_compressed_bodies_are_read(served: Served, name: str) -> None:
    response = post(served, squeezed(name, BODY), name)
    assert response.status_code == 200, response.text
    assert len(response.json()) == 3


def test_encodings_on_top_of_each_other_and_members_one_after_another(served: Served) -> None:
    assert post(served, gzip.compress(zlib.compress(BODY)), "deflate, GZIP").status_code == 200
    assert post(served, gzip.compress(BODY[:20]) + gzip.compress(BODY[20:]), "gzip").status_code == 200
    tensors = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1]} for n in "ab"]}
    response = post(served, gzip.compress(json.dumps(tensors).encode()), "gzip", "/v2/models/hold/infer")
    assert response.status_code == 200


ZIPPED = gzip.compress(BODY, mtime=0)
"""Without the time: what names a test is the same wherever it is collected."""


@pytest.mark.parametrize(
    ("body", "name", "status", "told"),
    [
        (ZIPPED[:-3], "gzip", 400, "ends within its gzip data"),
        (ZIPPED + b"x" * 20, "gzip", 400, "not gzip"),
        (ZIPPED, "deflate", 400, "not deflate"),
        (BODY, "gzip", 400, "not gzip"),
        (b"", "gzip", 400, "ends within its gzip data"),
        (squeezed("zstd", BODY)[:-3], "zstd", 400, "not zstd"),
        (squeezed("zstd", BODY) + b"x", "zstd", 400, "not zstd"),
        (b"junk", "br", 400, "not br"),
        (BODY, "compress", 415, "'compress' is not read here"),
        (BODY, "gzip, gzip, gzip", 415, "3 content encodings"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_says_is_told(served: Served, body: bytes, name: str, status: int, told: str) -> None:
    response = post(served, body, name)
    assert response.status_code == status, response.text
    assert told in response.json()["detail"]


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "br"])
def test_a_bomb_is_refused_before_it_is_in_memory(served: Served, name: str) -> None:
    before = _peak(served)
    bomb = squeezed(name, b" " * (LARGEST_BODY * 3))
    assert len(bomb) < LARGEST_BODY / 100
    response = post(served, bomb, name)
    assert response.status_code == 413
    assert "larger than" in response.json()["detail"]
    assert post(served, gzip.compress(bomb), f"{name}, gzip").status_code == 413
    assert _peak(served) - before < LARGEST_BODY * 2.5


def _peak(served: Served) -> int:
    """The most memory that the runtime's processes have had, in bytes."""
    parent = served.runtime.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in (parent, *children)]
    return sum(int(text.split("VmHWM:")[1].split()[0]) * 1024 for text in texts)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip;q=0.5", "gzip"),
        ("deflate", "deflate"),
        ("*", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0, *;q=0", None),
        ("br", None),
        ("identity", None),
        ("", None),
    ],
)
def test_large_answers_are_compressed_as_the_caller_accepts(served: Served, accepted: str, encoding: str | None) -> None:
    fields = {"content-type": "application/json", "accept-encoding": accepted}
    response = served.client.post("/decide/hold", content=MANY, headers=fields)
    assert response.headers.get("content-encoding") == encoding
    assert len(response.json()) == 2000
    assert served.client.post("/decide/hold", content=BODY, headers=fields).headers.get("content-encoding") is None
