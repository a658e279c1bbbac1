"""The shim: it needs the standard library alone, from Python 3.9 on, and loads each format as the platform does."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from kinds_foreign import CODE, DOUBLING, NOTHING, foreign, limits, pythons, rows, wheel
from kinds_models import PICKLES

from modelyard.core.errors import InvalidArtifact, InvalidInput, Untrusted
from modelyard.kinds.compliance import Good
from modelyard.kinds.contract import Policy
from modelyard.kinds.environments import Environments
from modelyard.kinds.environments.interpreters import ask
from modelyard.kinds.sandbox import Limits, NativePredictor
from modelyard.kinds.shim import formats, wire
from modelyard.kinds.signature import Signature

SHIM = Path(formats.__file__).parent
PYTHONS = pythons()


class Ours(Environments):
    """Gives our own environment for every lock: it has every engine, and building it takes no time."""

    def get(self, lock: bytes, python: str = "", say: Any = None) -> Any:
        interpreter = ask(Path(sys.executable))
        assert interpreter is not None
        return _Given(Path(sys.prefix), interpreter)

    def compile_later(self, environment: Any) -> Any:
        return None


class _Given:
    def __init__(self, folder: Path, interpreter: Any) -> None:
        self.folder, self.interpreter, self.python, self.paths = folder, interpreter, Path(sys.executable), (folder,)

    def close(self) -> None: ...


@pytest.mark.parametrize("path", sorted(SHIM.glob("*.py")), ids=lambda path: path.name)
def test_its_syntax_is_that_of_python_3_9_and_it_imports_nothing_of_others(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    top = {
        node.module.partition(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    top |= {name.name.partition(".")[0] for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert top <= set(sys.stdlib_module_names) | {"__future__"}


@pytest.mark.parametrize(
    "version", [pytest.param(f"3.{minor}", marks=[pytest.mark.slow] if 9 < minor < 13 else []) for minor in range(9, 14)]
)
def test_it_serves_on_every_python_from_3_9_on(version: str, tmp_path: Path) -> None:
    if version not in PYTHONS:
        pytest.skip(f"this machine has no Python {version}")
    (path := tmp_path / "model.py").write_text(DOUBLING)
    environments = Environments(tmp_path / "home", pythons=[PYTHONS[version]])
    with foreign(environments, path, python=version) as predictor:
        np.testing.assert_array_equal(predictor.predict(rows(1, 2))["prediction"], [2, 4])
        assert str(predictor.python).startswith(version + ".")
        assert predictor.missing == ()


@pytest.mark.slow
def test_it_serves_on_pypy(tmp_path: Path) -> None:
    import shutil

    found = shutil.which("pypy3")
    if found is None:
        pytest.skip("this machine has no PyPy")
    (path := tmp_path / "model.py").write_text(DOUBLING)
    told = ask(Path(found))
    assert told is not None
    with foreign(Environments(tmp_path / "home", pythons=[Path(found)]), path, python=told.version) as predictor:
        np.testing.assert_array_equal(predictor.predict(rows(1, 2))["prediction"], [2, 4])


ALIKE = ["lgb.txt", "xgb.json", "xgb.ubj", "pipeline.onnx", "pipeline.skops", "pipeline.pkl", "pipeline.joblib"]


@pytest.mark.parametrize("name", [ALIKE[0], *(pytest.param(name, marks=pytest.mark.slow) for name in ALIKE[1:])])
def test_each_format_answers_as_in_the_platform(name: str, artifacts: dict[str, Good], tmp_path: Path) -> None:
    good = artifacts[name]
    with NativePredictor(good.path, good.signature, PICKLES) as native:
        expected, complete = native.predict(good.sample), native.signature
    format_ = {"txt": "lightgbm-text", "json": "xgboost-json", "ubj": "xgboost-ubj", "pkl": "pickle"}.get(
        name.rpartition(".")[2], name.rpartition(".")[2]
    )
    with foreign(Ours(tmp_path), good.path, format_=format_, signature=complete, limits=_roomy()) as predictor:
        found = predictor.predict(good.sample)
        assert set(found) == set(expected)
        for field in complete.outputs:
            if found[field.name].dtype.kind == "f":
                np.testing.assert_allclose(found[field.name], expected[field.name], atol=1e-6)
            else:
                assert list(found[field.name]) == list(expected[field.name])
        if format_.startswith(("lightgbm", "xgboost")):
            few = {field: column[:3] for field, column in good.sample.items()}
            with NativePredictor(good.path, good.signature) as native:
                _alike(predictor.explain(few), native.explain(few))
        else:
            with pytest.raises(InvalidInput, match="no explanation"):
                predictor.explain(good.sample)


def _roomy() -> Limits:
    return limits(memory_bytes=4 << 30, wall_seconds=60.0)


def _alike(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.method == other.method
        expected = {a.field: a.contribution for a in other.attributions}
        assert {a.field: pytest.approx(a.contribution, abs=1e-6) for a in one.attributions} == expected


@pytest.mark.slow
def test_an_mlflow_folder_is_served_by_its_flavour(artifacts: dict[str, Good], tmp_path: Path) -> None:
    """MLflow itself is not in the environment. The folder comes as an archive, as artifacts do."""
    good = artifacts["lgb.txt"]
    document = (
        "artifact_path: model\nflavors:\n  lightgbm:\n    data: model.lgb\n    lgb_version: 4.6\n"
        "  python_function:\n    data: model.lgb\n    loader_module: mlflow.lightgbm\nmlflow_version: 2.9\n"
    )
    for name, write in (("model.zip", _zip), ("model.tar.gz", _tar)):
        write(tmp_path / name, {"MLmodel": document.encode(), "model.lgb": good.path.read_bytes()})
        with NativePredictor(good.path, good.signature) as native:
            signature, expected = native.signature, native.predict(good.sample)
        with foreign(Ours(tmp_path), tmp_path / name, format_="mlflow", signature=signature, limits=_roomy()) as predictor:
            np.testing.assert_allclose(predictor.predict(good.sample)["probability"], expected["probability"], atol=1e-6)


def _zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in files.items():
            bundle.writestr(f"model/{name}", data)


def _tar(path: Path, files: dict[str, bytes]) -> None:
    import io

    with tarfile.open(path, "w:gz") as bundle:
        for name, data in files.items():
            info = tarfile.TarInfo(f"model/{name}")
            info.size = len(data)
            bundle.addfile(info, io.BytesIO(data))


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar", "w") as bundle:
        link = tarfile.TarInfo("model.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bundle.addfile(link)
    with (
        foreign(Environments(tmp_path / "home"), tmp_path / "model.tar") as refused,
        pytest.raises(InvalidArtifact, match="is a link"),
    ):
        refused.predict(rows(1))


@pytest.mark.parametrize(
    ("format_", "text", "policy", "error", "words"),
    [
        ("python", "def load(path): ...", CODE, InvalidArtifact, "no function predict"),
        ("python", "syntax error", CODE, InvalidArtifact, "SyntaxError"),
        ("python", "import nosuchengine", CODE, InvalidArtifact, "needs nosuchengine"),
        ("python", DOUBLING, Policy(), Untrusted, "runs its author's code"),
        ("pickle", "rubbish", CODE, InvalidArtifact, "Unpickling|unpickl|pickle|KeyError|ValueError"),
        ("pickle", "rubbish", Policy(), Untrusted, "runs its author's code"),
        ("torchscript", "rubbish", CODE, InvalidArtifact, "needs torch"),
        ("onnx", "rubbish", CODE, InvalidArtifact, "needs onnxruntime"),
        ("lightgbm-text", "rubbish", CODE, InvalidArtifact, "needs lightgbm"),
        ("xgboost-json", "rubbish", CODE, InvalidArtifact, "needs xgboost"),
        ("skops", "rubbish", CODE, InvalidArtifact, "needs skops"),
        ("papyrus", "rubbish", CODE, InvalidArtifact, "the format 'papyrus' cannot be loaded here"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    format_: str, text: str, policy: Policy, error: type[Exception], words: str, tmp_path: Path, empty: Environments
) -> None:
    (path := tmp_path / "model.py").write_text(text)
    with foreign(empty, path, format_=format_, policy=policy) as refused, pytest.raises(error, match=words) as caught:
        refused.predict(rows(1))
    if "needs" in words:
        assert caught.value.hint == "add it to the version's environment lock"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("empty"))


def test_a_pickle_of_a_class_of_its_own_is_loaded_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is in the version's environment and not in ours."""
    (index := tmp_path / "wheels").mkdir()
    for name, value in (("UV_FIND_LINKS", str(index)), ("UV_NO_INDEX", "1"), ("UV_CACHE_DIR", str(tmp_path / "cache"))):
        monkeypatch.setenv(name, value)
    source = "class Model:\n    def predict(self, rows):\n        return [row[0] * 3 for row in rows]\n"
    lock = wheel(index, "theirpackage", "1.0", source)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "theirpackage.py").write_text(source)
    import theirpackage  # type: ignore[import-not-found]

    (path := tmp_path / "model.pkl").write_bytes(pickle.dumps(theirpackage.Model()))
    sys.modules.pop("theirpackage")
    with foreign(Environments(tmp_path / "home"), path, format_="pickle", lock=lock.encode()) as predictor:
        assert predictor.wait(60)
        with pytest.raises(InvalidArtifact, match="numpy"):
            predictor.predict(rows(1))  # a matrix is NumPy's: the lock has to name it


NUMBERS = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4).flatmap(
    lambda shape: arrays.arrays(st.sampled_from(["?", "i1", "u1", "<i2", ">i4", "<u8", "<f2", "<f4", ">f8"]), shape)
)
TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=5).map(lambda v: np.array([*v, None], dtype=object)[:-1])


@settings(max_examples=150)
@given(st.dictionaries(st.text(max_size=8), st.one_of(NUMBERS, TEXTS), max_size=4), st.integers(1, 300))
def test_every_batch_travels_whole_however_it_is_cut(batch: dict[str, np.ndarray[Any, Any]], piece: int) -> None:
    sent = memoryview(wire.columns(7, "ask", "predict", batch) + wire.plain(8, {"ask": "explain"}))
    place = 0

    def receive(into: memoryview) -> int:
        nonlocal place
        part = sent[place : place + min(piece, len(into))]
        into[: len(part)] = part
        place += len(part)
        return len(part)

    reader = wire.Reader(receive)
    first, second = reader.next(), reader.next()
    assert (first.number, first.header["ask"], second.number, second.header) == (7, "predict", 8, {"ask": "explain"})
    assert list(first.columns) == list(batch)
    for name, column in batch.items():
        assert first.columns[name].shape == column.shape
        np.testing.assert_array_equal(first.columns[name], column)
    with pytest.raises(wire.Garbled, match="gone"):
        reader.next()


@settings(max_examples=100)
@given(st.binary(max_size=200), st.booleans())
def test_rubbish_is_garbled_and_nothing_else(data: bytes, framed: bool) -> None:
    sent = wire.frame(1, data[:60], [data[60:]]) if framed else data
    pieces = iter([sent])

    def receive(into: memoryview) -> int:
        part = next(pieces, b"")
        into[: len(part)] = part
        return len(part)

    try:
        found = wire.Reader(receive).next()
    except wire.Garbled:
        return
    assert isinstance(found.header, dict)


def test_lists_and_arrays_are_read_the_same_without_numpy(tmp_path: Path) -> None:
    """In an environment without NumPy columns are lists, there and back."""
    batch = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "c": np.array(["x", None], dtype=object)}
    code = (
        f"import sys; sys.path.insert(0, {str(SHIM.parent)!r}); sys.modules['numpy'] = None\n"
        "from shim import wire\n"
        "data = memoryview(sys.stdin.buffer.read())\n"
        "def read(into): into[:len(data)] = data; return len(data)\n"
        "found = wire.Reader(read).next().columns\n"
        "assert found == {'a': [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], 'b': [True, False], 'c': ['x', None]}, found\n"
        "sys.stdout.buffer.write(wire.columns(2, 'answer', 'columns', found))\n"
    )
    sent = wire.columns(1, "ask", "predict", batch)
    said = subprocess.run([sys.executable, "-I", "-c", code], input=sent, capture_output=True, check=True).stdout

    def receive(into: memoryview) -> int:
        into[: len(said)] = said
        return len(said)

    back = wire.Reader(receive).next().columns
    for name, column in batch.items():
        np.testing.assert_array_equal(back[name], column)


def test_flavours_are_read_without_yaml() -> None:
    found = formats.flavors_of(
        "flavors:\n  sklearn:\n    code: null\n    pickled_model: 'model.pkl'\nsignature:\n  sklearn:\n    x: 1\n"
    )
    assert found == {"sklearn": {"code": "null", "pickled_model": "model.pkl"}}


def test_a_signature_is_needed_whole(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="declares its outputs"):
        foreign(Environments(tmp_path), tmp_path, signature=Signature(inputs=(), outputs=()), lock=NOTHING)
