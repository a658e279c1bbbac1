"""What touches an untrusted file runs in a child: whatever happens to the child, this process gets an answer in words."""

import os
import pickle
import select
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from kinds_models import PICKLES

from modelyard.core.errors import InvalidArtifact, InvalidInput, NotFound, StorageFull, TimedOut, TooLarge, Unavailable, Untrusted
from modelyard.kinds import infer
from modelyard.kinds.contract import Policy
from modelyard.kinds.sandbox import (
    Limits,
    Operation,
    check_isolated,
    evaluate_isolated,
    inspect_isolated,
    run_isolated,
    translate_isolated,
)
from modelyard.kinds.sandbox.process import environment

QUICK = Limits(wall_seconds=60, cpu_seconds=60)


@pytest.fixture
def no_leftovers(tmp_path, monkeypatch):
    """The place where children and parents keep temporary files; empty again after each test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


def test_inspect_gives_what_the_kind_says(artifacts, no_leftovers):
    found = inspect_isolated(artifacts["pipeline.onnx"].path)
    assert (found.kind, found.format) == ("ml", "onnx")
    assert [field.name for field in found.signature.inputs] == ["distance", "wind", "origin"]


def test_errors_of_the_child_are_raised_as_they_were(tmp_path, artifacts, no_leftovers):
    (junk := tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(InvalidArtifact, match="no installed kind knows"):
        inspect_isolated(junk)
    with pytest.raises(NotFound, match="alchemy"):
        inspect_isolated(junk, kind="alchemy")
    with pytest.raises(TooLarge):
        inspect_isolated(artifacts["lgb.txt"].path, Policy(max_artifact_bytes=10))
    with pytest.raises(NotFound):
        inspect_isolated(tmp_path / "nothing")


def test_check_loads_and_completes_the_signature(artifacts, no_leftovers):
    good = artifacts["pipeline.skops"]
    report = check_isolated(good.path, good.sample, limits=QUICK)
    assert report.inspection.format == "skops"
    assert [field.name for field in report.signature.outputs] == ["label", "probability"]
    assert len(report.checks) >= 5
    assert all(check.passed for check in report.checks)


def test_evaluate_answers_a_table_on_disk(artifacts, tmp_path, no_leftovers):
    import pyarrow.parquet as pq

    good = artifacts["pipeline.onnx"]
    table = infer.encode(good.sample | {"outcome": np.zeros(len(good.sample["wind"]))})
    pq.write_table(table, tmp_path / "batch.parquet")
    answers = evaluate_isolated(good.path, good.signature, tmp_path / "batch.parquet", limits=QUICK)
    assert list(answers["label"]) == list(good.expected["label"])
    np.testing.assert_allclose(answers["probability"], good.expected["probability"], atol=1e-5)


@pytest.mark.slow
def test_translate_writes_where_it_is_told(artifacts, tmp_path, no_leftovers):
    good = artifacts["lgb.txt"]
    found = translate_isolated(good.path, good.signature, good.sample, tmp_path / "made" / "for it", limits=QUICK)
    assert not found.refused
    assert inspect_isolated(found.path).format == "onnx"


def test_a_pickle_is_not_loaded_without_leave(artifacts, no_leftovers):
    good = artifacts["pipeline.pkl"]
    with pytest.raises(Untrusted, match="pickle"):
        check_isolated(good.path, good.sample, good.signature)


def test_a_file_that_kills_the_interpreter_fails_only_the_child(artifacts, tmp_path, no_leftovers):
    """LightGBM aborts on this one: a pickled booster whose text is cut, which no structural check of ours sees."""
    good = artifacts["lgb.pkl"]
    (path := tmp_path / "cut.pkl").write_bytes(pickle.dumps(_Cut(artifacts["lgb.txt"].path.read_text()[:1200])))
    with pytest.raises(InvalidArtifact, match="SIGABRT"):
        check_isolated(path, good.sample, good.signature, PICKLES, limits=QUICK)


class _Cut:
    """Pickles as a LightGBM booster with a text of our choice."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self):
        import copyreg

        import lightgbm

        state = {"handle": self.text, "train_set": None, "valid_sets": [], "params": {}, "pandas_categorical": None}
        return copyreg._reconstructor, (lightgbm.basic.Booster, object, None), state


HOSTILE = """
import os, resource, signal, sys, time
from modelyard.kinds.contract import Capability, Inspection

class Hostile:
    name = "hostile"
    formats = ("hostile",)
    capabilities = frozenset(Capability)
    def inspect(self, artifact, policy):
        exec(artifact.read_text())
        return Inspection(kind="hostile", format="hostile", facts={"env": dict(os.environ), "fds": os.listdir("/proc/self/fd")})
    def load(self, *a): ...
    def checks(self, *a): ...
    def translate(self, *a): ...

kind = Hostile()
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """An interpreter that has a kind which does whatever its artifact says, installed in an environment of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    python = folder / "env/bin/python"
    site = next((folder / "env").glob("lib/python*/site-packages"))
    (site / "modelyard-tests.pth").write_text("\n".join(p for p in sys.path if p) + "\n")
    (site / "hostile_kind.py").write_text(HOSTILE)
    (info := site / "hostile_kind-1.0.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-kind\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[modelyard.kinds]\nhostile = hostile_kind:kind\n")
    return python


@pytest.fixture
def run_hostile(hostile, tmp_path, monkeypatch, no_leftovers):
    def run(text: str, output=None, **limits):
        monkeypatch.setattr(sys, "executable", str(hostile))
        (path := tmp_path / "hostile.txt").write_text(text)
        bounds = Limits(**{"wall_seconds": 30, **limits})
        return run_isolated(Operation.INSPECT, path, kind="hostile", output=output, limits=bounds)

    return run


@pytest.mark.parametrize(
    ("text", "limits", "error", "words"),
    [
        ("while True: pass", {"cpu_seconds": 1}, TimedOut, "1 seconds of processor time"),
        ("time.sleep(60)", {"wall_seconds": 1.0}, TimedOut, "more than 1 seconds"),
        ("os.fork() or time.sleep(60); time.sleep(60)", {"wall_seconds": 1.0, "processes": 4}, TimedOut, "more than 1 seconds"),
        ("x = [bytearray(1 << 20) for _ in range(4000)]", {"memory_bytes": 512 << 20}, InvalidArtifact, "512 MB of memory"),
        ("os.fork()", {}, InvalidArtifact, "BlockingIOError"),
        ("os.abort()", {}, InvalidArtifact, "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", {}, InvalidArtifact, "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", {}, InvalidArtifact, "SIGKILL"),
        ("os._exit(3)", {}, InvalidArtifact, "status 3"),
        ("sys.exit(0)", {}, InvalidArtifact, "SystemExit|status 0"),
        ("raise ValueError('strange')", {}, InvalidArtifact, "ValueError: strange"),
        ("open('big', 'wb').write(bytes(9 << 20))", {"file_bytes": 1 << 20}, InvalidArtifact, "larger file|File too large"),
        ("f = [open('/dev/null') for _ in range(1000)]", {"open_files": 64}, InvalidArtifact, "Too many open files"),
        ("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", {"memory_bytes": 1 << 30}, InvalidArtifact, "limit"),
        ("os.write(__import__('json').loads(sys.argv[2])['result'], b'forged'); os._exit(0)", {}, InvalidArtifact, "no answer"),
        ("[os.write(2, b'x' * 65536) for _ in range(100)]; os.abort()", {}, InvalidArtifact, "SIGABRT"),
    ],
)  # fmt: skip
def test_death_and_limits_are_told_in_words(run_hostile, text, limits, error, words):
    with pytest.raises(error, match=words):
        run_hostile(text, **limits)


@pytest.mark.slow
def test_children_of_the_child_die_with_it(run_hostile, tmp_path):
    pid_file = tmp_path / "pid"
    code = f"pid = os.fork()\nif not pid:\n    time.sleep(120)\nopen({str(pid_file)!r}, 'w').write(str(pid))\ntime.sleep(60)"
    with pytest.raises(TimedOut):
        run_hostile(code, output=pid_file, wall_seconds=1.5, processes=4)
    assert _gone(int(pid_file.read_text()))


def _gone(pid: int) -> bool:
    """Whether a process ends within a few seconds; a signal sent is not yet a death."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(5000))


def test_a_child_inherits_no_secrets_and_no_descriptors(run_hostile, monkeypatch):
    monkeypatch.setenv("MODELYARD_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        facts = run_hostile("pass")["facts"]
    finally:
        os.close(reading)
        os.close(writing)
    assert "secret" not in str(facts["env"])
    assert facts["env"]["OMP_NUM_THREADS"] == "1"
    assert len(facts["fds"]) <= 6


def test_the_environment_keeps_only_what_is_needed(tmp_path):
    own = {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "OPENBLAS_CORETYPE": "Haswell",
        "HOME": "/root",
        "TOKEN": "x",
        "PYTHONPATH": "/evil",
    }
    found = environment(own, tmp_path)
    assert found["HOME"] == str(tmp_path)
    assert found["OPENBLAS_CORETYPE"] == "Haswell"
    assert not {"TOKEN", "PYTHONPATH"} & set(found)


def test_limits_are_checked_where_they_are_made():
    with pytest.raises(ValueError, match="wall_seconds"):
        Limits(wall_seconds=0)


def test_a_missing_sample_is_told(artifacts):
    with pytest.raises(InvalidInput, match="sample is needed"):
        run_isolated(Operation.CHECK, artifacts["pipeline.onnx"].path, limits=QUICK)


def test_no_place_to_work_is_unavailable(artifacts, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    with pytest.raises(Unavailable, match="No such file"):
        inspect_isolated(artifacts["lgb.txt"].path)


@pytest.mark.slow
def test_no_room_for_the_translation_is_told_and_nothing_is_left(artifacts, tmp_path):
    good = artifacts["lgb.txt"]
    with pytest.raises(StorageFull, match="no room"):
        translate_isolated(good.path, good.signature, good.sample, tmp_path, limits=Limits(file_bytes=100))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unavailable, match="cannot be written"):
        translate_isolated(good.path, good.signature, good.sample, good.path / "below a file", limits=QUICK)
