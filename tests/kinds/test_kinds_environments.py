"""Environments are built from their locks, once, whole or not at all; what is wrong is told; the oldest go first."""

from __future__ import annotations

import hashlib
import json
import os
import py_compile
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from kinds_foreign import DOUBLING, NOTHING, foreign, pythons, rows, wheel

from modelyard.core.errors import InvalidInput, StorageFull, Unavailable
from modelyard.kinds.environments import Environments, lacking, python_of, requirements
from modelyard.kinds.environments.building import _told

HASH = "sha256:" + "0" * 64


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """uv's own configuration names a folder of wheels, and nothing else."""
    (folder := tmp_path / "wheels").mkdir()
    for name, value in (("UV_FIND_LINKS", str(folder)), ("UV_NO_INDEX", "1"), ("UV_CACHE_DIR", str(tmp_path / "cache"))):
        monkeypatch.setenv(name, value)
    return folder


def test_what_the_lock_names_is_there_and_nothing_else(index: Path, tmp_path: Path) -> None:
    lock = wheel(index, "tinyone", "1.0", "VALUE = 41\n") + wheel(index, "tinytwo", "2.5", "VALUE = 1\n")
    said: list[str] = []
    environments = Environments(tmp_path / "home")
    with environments.get(lock.encode(), say=said.append) as found:
        code = "import tinyone, tinytwo; print(tinyone.VALUE + tinytwo.VALUE)"
        assert subprocess.check_output([found.python, "-I", "-c", code]) == b"42\n"
        assert subprocess.run([found.python, "-I", "-c", "import msgspec"], capture_output=True, check=False).returncode == 1
    assert said[0].startswith("making an environment for Python 3.")
    assert any(line.startswith("Installed 2 packages") for line in said)
    assert said[-1].startswith("the environment is ready")
    again: list[str] = []
    environments.get(lock.encode(), say=again.append).close()
    assert [line.split(" (")[0] for line in again] == ["the environment is ready"]
    (kept,) = environments.listing()
    assert kept["bytes"] > 0
    assert kept["python"] == sys.version.split(" ", maxsplit=1)[0]


def test_compiled_modules_are_kept_for_the_next_environment(index: Path, tmp_path: Path) -> None:
    lock = wheel(index, "tinyone", "1.0", "VALUE = 41\n")
    environments = Environments(tmp_path / "home")
    with environments.get(lock.encode()) as first:
        environments.compile(first)
        (compiled,) = first.folder.glob("lib/python*/site-packages/__pycache__/tinyone.*.pyc")
    with environments.get((lock + wheel(index, "tinytwo", "2.5", "")).encode()) as second:
        (linked,) = second.folder.glob("lib/python*/site-packages/__pycache__/tinyone.*.pyc")
        assert linked.samefile(compiled)
        code = "import tinyone; print(tinyone.__cached__, tinyone.VALUE)"
        said = subprocess.check_output([second.python, "-I", "-v", "-c", code], stderr=subprocess.STDOUT, text=True)
        assert "41" in said
        assert f"matches {second.folder}" in said or "code object from" in said


@pytest.mark.parametrize("brought", ["record", "compiled"])
def test_no_wheel_puts_its_code_into_another_models_environment(brought: str, index: Path, tmp_path: Path) -> None:
    """A wheel claims to be another: it brings that one's RECORD, or a compiled file made of other text."""
    honest = wheel(index, "tinyone", "1.0", "VALUE = 41\n").encode()
    with Environments(tmp_path / "elsewhere").get(honest) as seen:
        (site,) = seen.folder.glob("lib/python*/site-packages")
        record = (site / "tinyone-1.0.dist-info" / "RECORD").read_text()
        (text := tmp_path / "tinyone.py").write_text("VALUE = 666\n" if brought == "record" else "VALUE = 41\n")
    evil = wheel(index, "evil", "1.0", "")
    path = index / "evil-1.0-py3-none-any.whl"
    code = py_compile_of(tmp_path, "VALUE = 666\n")
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("tinyone.py", text.read_text())
        bundle.writestr("evil-1.0.data/purelib/tinyone-1.0.dist-info/RECORD", record)
        if brought == "compiled":
            bundle.writestr(f"__pycache__/tinyone.{sys.implementation.cache_tag}.pyc", code)
    evil = f"evil==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    environments = Environments(tmp_path / "home")
    with environments.get(evil.encode()) as bad:
        (site,) = bad.folder.glob("lib/python*/site-packages")
        assert (site / "tinyone.py").is_file()
        environments.compile(bad)
    with environments.get(honest) as good:
        said = [subprocess.check_output([good.python, "-I", "-c", "import tinyone; print(tinyone.VALUE)"])]
        environments.compile(good)
        said.append(subprocess.check_output([good.python, "-I", "-c", "import tinyone; print(tinyone.VALUE)"]))
    assert said == [b"41\n", b"41\n"]


def py_compile_of(folder: Path, text: str) -> bytes:
    (source := folder / "other.py").write_text(text)
    made = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert made is not None
    return Path(made).read_bytes()


def test_two_processes_build_one(index: Path, tmp_path: Path) -> None:
    lock = wheel(index, "tinyone", "1.0", "VALUE = 41\n")
    (path := tmp_path / "lock.txt").write_text(lock)
    code = (
        "import sys; from pathlib import Path; from modelyard.kinds.environments import Environments\n"
        f"environments, lock = Environments(Path({str(tmp_path / 'home')!r})), Path({str(path)!r}).read_bytes()\n"
        "print(environments.get(lock, say=print).folder)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][-1] == said[1][-1]
    assert sum(any(line.startswith("making") for line in lines) for lines in said) == 1


def test_a_half_built_one_is_never_used(index: Path, tmp_path: Path) -> None:
    """The builder is killed while uv installs; the next builds anew, and what was left is swept away."""
    lock = wheel(index, "tinyone", "1.0", "VALUE = 41\n")
    (path := tmp_path / "lock.txt").write_text(lock)
    home = tmp_path / "home"
    code = (
        "import os, signal; from pathlib import Path; from modelyard.kinds.environments import Environments\n"
        "def say(line):\n    if line.startswith('Resolved'): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Environments(Path({str(home)!r})).get(Path({str(path)!r}).read_bytes(), say=say)"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert Environments(home).listing() == []
    assert list(home.glob(".*-*"))
    with Environments(home).get(lock.encode()) as found:
        assert subprocess.check_output([found.python, "-I", "-c", "import tinyone; print(tinyone.VALUE)"]) == b"41\n"
    assert not list(home.glob(".*-*"))


def test_the_oldest_go_first_and_none_that_is_used(index: Path, tmp_path: Path) -> None:
    environments = Environments(tmp_path / "home", most=2)
    locks = [wheel(index, f"tiny{n}", "1.0", f"VALUE = {n}\n").encode() for n in range(4)]
    held = environments.get(locks[0])
    oldest = environments.get(locks[1])
    oldest.close()
    os.utime(held.folder / "environment.json", (1, 1))
    os.utime(oldest.folder / "environment.json", (2, 2))
    environments.get(locks[2]).close()
    assert {one["key"] for one in environments.listing()} >= {held.folder.name}
    assert not oldest.folder.exists()
    assert held.folder.exists()  # used longest ago, and in use
    held.close()
    environments.get(locks[3]).close()
    assert not held.folder.exists()
    assert len(environments.listing()) == 2
    assert Environments(tmp_path / "home", most_bytes=1).trim() != []


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ("numpy>=2", "line 1: 'numpy>=2' is not pinned"),
        ("numpy==2.0", "line 1: numpy==2.0 has no hash"),
        (f"# fine\nnumpy==2.0 --hash={HASH}\n--index-url https://example.org/simple", "line 3: a lock has no options"),
        (f"-r other.txt --hash={HASH}", "line 1: a lock has no options"),
        (f"numpy @ https://example.org/numpy.whl --hash={HASH}", "is not pinned"),
        (f"./numpy.whl --hash={HASH}", "is not pinned"),
        (f"numpy==2.0 \\\n    --hash={HASH[:-1]}", "has no hash"),
        (f"numpy==2.0 --hash=md5:{'0' * 64}", "has no hash"),
        (f"six==1 --index-url https://example.org/simple --hash={HASH}", "only a version, a marker and hashes"),
        (f"six==1 --hash={HASH} --config-settings a=b", "only a version, a marker and hashes"),
        (f"six==1 ; python_version > '3' --find-links=/tmp --hash={HASH}", "only a version, a marker and hashes"),
        (f"six==1 \\\n  -i https://example.org/simple \\\n  --hash={HASH}", "only a version, a marker and hashes"),
        (f"six==1 @ https://example.org/x.whl --hash={HASH}", "only a version, a marker and hashes"),
        (f"six==1 --hash={HASH}x", "has no hash"),
    ],
)
def test_a_lock_that_is_not_one_is_told_by_line(lock: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")) as caught:
        Environments(tmp_path).get(lock.encode())
    assert caught.value.field == "environment_lock"
    assert "generate-hashes" in str(caught.value.hint)
    with pytest.raises(InvalidInput, match="not text"):
        Environments(tmp_path).get(b"\xff\xfe")


def test_what_cannot_be_installed_is_told(index: Path, tmp_path: Path) -> None:
    environments = Environments(tmp_path / "home")
    with pytest.raises(InvalidInput, match="nosuchthing") as caught:
        environments.get(f"nosuchthing==1.0 --hash={HASH}\n".encode())
    assert "wheel" in str(caught.value.hint)
    right = wheel(index, "tinyone", "1.0", "VALUE = 41\n")
    with pytest.raises(InvalidInput, match="tinyone"):
        environments.get(right.replace(right[-20:-1], "0" * 19).encode())
    assert environments.listing() == []
    assert not list((tmp_path / "home").glob(".*-*"))


def test_an_unknown_python_and_no_uv_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match=r"there is no Python 3\.99 on this machine") as caught:
        Environments(tmp_path).get(NOTHING, "3.99")
    assert "install python3.99" in str(caught.value.hint)
    with pytest.raises(InvalidInput, match="no version of Python"):
        Environments(tmp_path).get(NOTHING, "3.1; rm -rf")
    with pytest.raises(Unavailable, match="uv cannot be started") as caught:
        Environments(tmp_path / "home", uv=tmp_path / "no-uv").get(NOTHING)
    assert "pip install uv" in str(caught.value.hint)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    assert isinstance(_told("error: Failed to install: x.whl\n  Caused by: No space left on device (os error 28)"), StorageFull)
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be kept"):
        Environments(tmp_path / "file" / "home").get(NOTHING)
    script = tmp_path / "uv"
    script.write_text("#!/bin/sh\necho 'error: No space left on device (os error 28)' >&2\nexit 2\n")
    script.chmod(0o755)
    with pytest.raises(StorageFull, match="no room for the environment"):
        Environments(tmp_path / "home", uv=script).get(NOTHING)


def test_sources_are_never_built(tmp_path: Path, index: Path) -> None:
    """Building runs the package's own program: a source distribution is refused before that."""
    import io
    import tarfile

    (mark := tmp_path / "ran").unlink(missing_ok=True)
    setup = f"open({str(mark)!r}, 'w').write('x')\nfrom setuptools import setup; setup(name='onlysource', version='1.0')".encode()
    path = index / "onlysource-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as bundle:
        for name, data in (("setup.py", setup), ("PKG-INFO", b"Metadata-Version: 2.1\nName: onlysource\nVersion: 1.0\n")):
            info = tarfile.TarInfo(f"onlysource-1.0/{name}")
            info.size = len(data)
            bundle.addfile(info, io.BytesIO(data))
    lock = f"onlysource==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    with pytest.raises(InvalidInput, match="onlysource"):
        Environments(tmp_path / "home").get(lock.encode())
    assert not mark.exists()


def test_start_up_files_of_a_package_run_only_when_rights_are_given_up(index: Path, tmp_path: Path) -> None:
    """A wheel's `.pth` file runs at every start of its interpreter: here it tries to write outside."""
    mark = tmp_path / "escaped"
    lock = wheel(index, "tinyone", "1.0", "")
    environments = Environments(tmp_path / "home")
    (model := tmp_path / "model.py").write_text(DOUBLING)
    with environments.get(lock.encode()) as found:
        (site,) = found.folder.glob("lib/python*/site-packages")
        (site / "evil.pth").write_text(f"import os; os.environ['SEEN'] = '1'; open({str(mark)!r}, 'w')\n")
        with foreign(environments, model, lock=lock.encode()) as predictor:
            assert predictor.predict(rows(2))["prediction"] == [4]
    assert not mark.exists()


def test_the_python_of_a_lock_is_read_from_its_comments() -> None:
    assert python_of("# This file was made by uv:\n#    uv pip compile --universal --python-version 3.10 in.txt\n") == "3.10"
    assert python_of("# python: 3.9.18\nnumpy==1\n") == "3.9.18"
    assert python_of("numpy==3.11 ; python_version < '3.12'\n") == ""


def test_another_python_makes_another_environment(tmp_path: Path) -> None:
    others = {version: program for version, program in pythons().items() if not sys.version.startswith(version + ".")}
    if not others:
        pytest.skip("this machine has one Python")
    version, program = next(iter(others.items()))
    environments = Environments(tmp_path, pythons=[program])
    with environments.get(f"# python: {version}\n".encode()) as found, environments.get(NOTHING, "") as ours:
        assert found.folder != ours.folder or version in ours.interpreter.version
        said = subprocess.check_output([found.python, "-I", "-c", "import json, sys; print(json.dumps(sys.version_info[:2]))"])
    assert json.loads(said) == [int(part) for part in version.split(".")]


def test_what_the_platform_lacks_is_told() -> None:
    import numpy

    pins = requirements(f"numpy==1.2.3 --hash={HASH}\n")
    assert lacking(["numpy>=1"], {}, exactly=True) is None
    assert lacking(["numpy"], pins, exactly=False) is None
    assert lacking(["numpy"], pins, exactly=True) == f"it was made with numpy 1.2.3, here is {numpy.__version__}"
    assert lacking(["no-such-engine"], pins, exactly=False) == "no-such-engine is not installed here"
    assert lacking(["@!"], pins, exactly=False) is not None
