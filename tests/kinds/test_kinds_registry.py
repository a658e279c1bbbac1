"""Kinds are found by entry point, in whichever distribution they live."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from modelyard.core.errors import InvalidArtifact, NotFound
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy

TOY = Path(__file__).parent / "toy_distribution"


def test_an_unknown_kind_is_not_found_and_the_known_ones_are_named():
    with pytest.raises(NotFound, match="no kind named 'alchemy'") as caught:
        registry.kind("alchemy")
    assert "ml" in caught.value.hint


def test_a_file_of_no_known_format_is_told_with_all_formats(tmp_path):
    (path := tmp_path / "novel.txt").write_text("It was a dark and stormy night.\n")
    with pytest.raises(InvalidArtifact, match="no installed kind knows") as caught:
        registry.detect(path, Policy())
    assert "onnx" in caught.value.hint
    assert "lightgbm-text" in caught.value.hint


def test_a_path_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match=r"nothing\.onnx"):
        registry.detect(tmp_path / "nothing.onnx", Policy())


def test_a_corrupt_file_of_a_known_format_is_told_by_its_kind(tmp_path, artifacts):
    (path := tmp_path / "cut.txt").write_bytes(artifacts["lgb.txt"].path.read_bytes()[:700])
    with pytest.raises(InvalidArtifact, match="not a whole LightGBM model"):
        registry.detect(path, Policy())


def test_importing_the_registry_imports_no_concrete_kind():
    code = (
        "import sys; from modelyard.kinds import registry; print('ml' in registry.names(), 'modelyard.kinds.ml' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True False"


def test_inspecting_imports_no_heavy_library(artifacts):
    heavy = "{'sklearn', 'onnx', 'onnxruntime', 'xgboost', 'lightgbm', 'skops', 'joblib', 'scipy', 'pandas', 'skl2onnx'}"
    paths = [str(good.path) for good in artifacts.values()]
    code = f"""
import pathlib, sys
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
for path in {paths!r}:
    registry.detect(pathlib.Path(path), Policy())
print(sorted({heavy} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the toy distribution built and installed, and beside it a broken one."""
    target = tmp_path_factory.mktemp("site")
    options = ["install", "--no-deps", "--no-build-isolation", "--target", str(target), str(TOY)]
    uv = [sys.executable, "-m", "uv", "pip"] if _has_uv() else [sys.executable, "-m", "pip"]
    done = subprocess.run([*uv, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def _has_uv() -> bool:
    return subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode == 0


def _break(site: Path, name: str, module: str, text: str) -> None:
    (site / f"{module}.py").write_text(text)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[modelyard.kinds]\n{module} = {module}:kind\n")


def _python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, cwd=TOY, check=False)


def test_a_kind_of_another_distribution_is_discovered_and_passes_the_suite(site):
    done = _python(
        site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, str(TOY / "suite_for_lookup.py")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "4 skipped" in done.stdout  # explain, checks, observe and translate are not declared


@pytest.mark.parametrize(
    ("module", "text", "complaint"),
    [
        ("broken_import", "import no_such_library", "cannot be imported: ModuleNotFoundError"),
        ("broken_syntax", "kind = = 1", "cannot be imported: SyntaxError"),
        ("broken_contract", "kind = object()", "does not fulfil the contract"),
        ("broken_absent", "", "cannot be imported: AttributeError"),
    ],
)
def test_a_broken_kind_is_told_with_its_distribution_and_harms_no_other(tmp_path, module, text, complaint):
    _break(tmp_path, f"acme-{module}", module, text)
    code = f"""
from modelyard.kinds import registry
try:
    registry.kind({module!r})
except registry.BrokenKind as error:
    print(error)
print(registry.kind('ml').name)
"""
    done = _python(tmp_path, "-c", code)
    assert f"acme-{module}" in done.stdout, done.stderr
    assert complaint in done.stdout
    assert done.stdout.splitlines()[-1] == "ml"


def test_a_broken_kind_stands_in_nobodys_way_when_formats_are_detected(tmp_path, artifacts):
    (site := tmp_path / "site").mkdir()
    _break(site, "acme-broken", "broken_import", "import no_such_library")
    (novel := tmp_path / "novel.txt").write_text("no model")
    code = f"""
from pathlib import Path
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
print(registry.detect(Path({str(artifacts["lgb.txt"].path)!r}), Policy()).format)
try:
    registry.detect(Path({str(novel)!r}), Policy())
except registry.BrokenKind as error:
    print(error)
"""
    done = _python(site, "-c", code)
    assert done.stdout.splitlines()[0] == "lightgbm-text", done.stderr
    assert "acme-broken" in done.stdout


def test_a_kind_whose_name_differs_from_its_entry_point_is_refused():
    with pytest.raises(registry.BrokenKind, match="calls itself 'ml'"):
        registry._load(EntryPoint("other", "modelyard.kinds.ml:kind", registry.GROUP))
