"""Whatever bytes come, `inspect` answers or raises InvalidArtifact or TooLarge; nothing else, and never for long."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import registry
from modelyard.kinds.contract import Inspection, Policy
from modelyard.kinds.ml import pickle_scan, ubjson, wire

ML = registry.kind("ml")
SETTINGS = settings(
    max_examples=int(os.environ.get("MODELYARD_FUZZ", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FUZZED = [
    "pipeline.skops",
    "pipeline.joblib",
    "pipeline.pkl",
    "pipeline.onnx",
    "xgb.json",
    "xgb.ubj",
    "lgb.txt",
    "mlflow.tar.gz",
    "mlflow.zip",
    "forest-zlib.joblib",
]


def _inspect(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            found = ML.inspect(Path(file.name), Policy())
        except InvalidArtifact as error:
            found = error
    assert isinstance(found, Inspection | InvalidArtifact)


@pytest.mark.parametrize("name", FUZZED)
@SETTINGS
@given(data=st.data())
def test_damaged_artifacts_are_read_or_refused(artifacts, name, data):
    content = bytearray(artifacts[name].path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(1, len(content)))
    _inspect(bytes(content if data.draw(st.booleans()) else content[:cut]))


@SETTINGS
@given(
    start=st.sampled_from(
        [b"", b"\x80\x04", b"PK\x03\x04", b"{", b"{L", b"tree\n", b"\x08\x08", b"\x1f\x8b", b"\x78\x9c", b"BZh"]
    ),
    rest=st.binary(max_size=400),
)
def test_any_bytes_are_read_or_refused(start, rest):
    _inspect(start + rest or b"\0")


@SETTINGS
@given(st.binary(max_size=300))
def test_the_readers_raise_nothing_but_invalid_artifact(data):
    for read in (pickle_scan.scan, ubjson.loads, lambda d: list(wire.fields(memoryview(d)))):
        with suppress(InvalidArtifact):
            assert read(b"\x80\x04" + data if read is pickle_scan.scan else data) is not read
