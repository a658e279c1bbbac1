"""What a folder says of itself: manifest, commit, digests."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from modelyard.client.working_copy import as_file, digest_of_path, gather, git_of
from modelyard.core.errors import InvalidInput

MANIFEST = """\
apiVersion: modelyard/v1
use_case: {name: hold}
model: {name: delay}
version:
  artifact: m.onnx
  sample: rows.csv
  metrics: metrics.json
  signature:
    inputs: [{name: flight_id, role: identifier}]
  data:
    - {name: january, purpose: train, path: data}
    - {name: weather, purpose: train, uri: "https://example.org/w"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "modelyard.yaml").write_text(MANIFEST)
    (tmp_path / "m.onnx").write_bytes(b"model")
    (tmp_path / "rows.csv").write_text("flight_id,hour\n1,5\n2,6\n")
    (tmp_path / "metrics.json").write_text(json.dumps({"auc": 0.8, "ll": {"value": 0.3, "data": "january"}}))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n1\n")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder), *words], check=True, capture_output=True
    )


def test_a_folder_is_gathered_with_its_digests(folder: Path) -> None:
    found = gather(folder)
    assert found.manifest.model.name == "delay"
    assert found.artifact == folder / "m.onnx"
    assert found.metrics == {"auc": {"value": 0.8}, "ll": {"value": 0.3, "data": "january"}}
    january, weather = found.data
    assert january.digest == digest_of_path(folder / "data")[0]
    assert january.size == 4
    assert weather.uri == "https://example.org/w"
    declared = found.declared()["inputs"][0]
    assert declared["role"] == "identifier"
    assert declared["type"] == "INT64"


def test_git_tells_commit_branch_and_whether_tracked_files_differ(folder: Path) -> None:
    assert git_of(folder) is None
    git(folder, "init", "-q", "-b", "main")
    assert git_of(folder) is None
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "remote", "add", "origin", "https://user:secret@example.org/r.git")
    clean = git_of(folder)
    assert clean is not None
    assert (clean.dirty, clean.branch, clean.untracked) == (False, "main", 0)
    assert "secret" not in clean.repository
    (folder / "m.onnx").write_bytes(b"changed")
    (folder / "new").write_text("x")
    dirty = git_of(folder)
    assert dirty is not None
    assert (dirty.dirty, dirty.untracked) == (True, 1)


def test_a_folder_has_one_digest_whatever_the_order_it_was_written_in(tmp_path: Path) -> None:
    for name, order in (("one", "ab"), ("two", "ba")):
        (tmp_path / name).mkdir()
        for file in order:
            (tmp_path / name / file).write_text(file)
    assert digest_of_path(tmp_path / "one") == digest_of_path(tmp_path / "two")
    (tmp_path / "two" / "a").write_text("other")
    assert digest_of_path(tmp_path / "one") != digest_of_path(tmp_path / "two")
    (tmp_path / "two" / "link").symlink_to(tmp_path / "one")
    with pytest.raises(InvalidInput, match="link"):
        digest_of_path(tmp_path / "two")


def test_a_folder_is_packed_to_the_same_bytes_every_time(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "sub" / "x.bin").write_bytes(b"1" * 100)
    with as_file(folder) as first:
        one = first.read_bytes()
        assert first.name == "model.zip"
        assert zipfile.ZipFile(first).namelist() == ["MLmodel", "sub/x.bin"]
    with as_file(folder) as second:
        assert second.read_bytes() == one
    with as_file(folder / "MLmodel") as same:
        assert same == folder / "MLmodel"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("modelyard.yaml", b"a: [1"),
        ("modelyard.yaml", b"\xff\xfe"),
        ("modelyard.yaml", b"apiVersion: modelyard/v1\n"),
        ("metrics.json", b"[1, 2]"),
        ("metrics.json", b"{"),
    ],
)
def test_what_cannot_be_read_is_named(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(InvalidInput):
        gather(folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "data" / "a.csv").unlink()
    (folder / "data").rmdir()
    with pytest.raises(InvalidInput, match="data is not there"):
        gather(folder)
    with pytest.raises(InvalidInput, match="not there"):
        gather(folder / "nowhere" / "modelyard.yaml")
