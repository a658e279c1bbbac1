"""A model in a long-lived child: answers like the model here, survives crashes, and gives up politely."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from modelyard.core.errors import InvalidArtifact, InvalidInput, TimedOut, Unavailable, Untrusted
from modelyard.kinds.contract import Predictor
from modelyard.kinds.sandbox import Limits, NativePredictor


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def native(artifacts):
    good = artifacts["lgb.txt"]
    with NativePredictor(good.path, good.signature) as predictor:
        yield predictor


def test_it_answers_as_the_model_does(native, artifacts):
    good = artifacts["lgb.txt"]
    assert isinstance(native, Predictor)
    answers = native.predict(good.sample)
    assert list(answers["label"]) == list(good.expected["label"])
    np.testing.assert_allclose(answers["probability"], good.expected["probability"], atol=1e-6)
    assert [field.name for field in native.signature.outputs] == ["label", "probability"]


def test_text_and_nulls_travel_whole(artifacts):
    good = artifacts["pipeline.onnx"]
    with NativePredictor(good.path, good.signature) as native:
        assert list(native.predict(good.sample)["label"]) == list(good.expected["label"])
        with pytest.raises(InvalidInput, match="empty in row 0") as caught:
            native.predict(good.sample | {"origin": np.array([None] * len(good.sample["wind"]), dtype=object)})
        assert caught.value.field == "origin"


def test_it_explains(native, artifacts):
    found = native.explain({name: column[:2] for name, column in artifacts["lgb.txt"].sample.items()})
    assert len(found) == 2
    assert {a.field for a in found[0].attributions} == {"distance", "wind"}


def test_bad_input_is_told_as_here_and_harms_nothing(native, artifacts):
    good = artifacts["lgb.txt"]
    pid = native.pid
    with pytest.raises(InvalidInput, match="'wind' is missing") as caught:
        native.predict({"distance": good.sample["distance"]})
    assert caught.value.field == "wind"
    assert native.pid == pid
    assert len(native.predict(good.sample)["label"]) == len(good.sample["wind"])


def test_threads_take_turns(native, artifacts):
    sample = artifacts["lgb.txt"].sample
    parts = [{name: column[i : i + 1] for name, column in sample.items()} for i in range(40)]
    whole = native.predict(sample)["probability"]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda part: native.predict(part)["probability"][0], parts))
    np.testing.assert_array_equal(found, whole[:40])


def test_a_crash_fails_one_request_and_the_next_call_starts_again(artifacts):
    good, time = artifacts["pipeline.onnx"], Time()
    with NativePredictor(good.path, good.signature, now=time) as native:
        first = native.pid
        os.kill(first, signal.SIGKILL)
        with pytest.raises(Unavailable, match="SIGKILL"):
            native.predict(good.sample)
        assert native.pid is None
        assert list(native.predict(good.sample)["label"]) == list(good.expected["label"])
        assert native.pid not in {None, first}


def test_repeated_crashes_are_held_back_for_a_growing_while(artifacts, tmp_path):
    good, time = artifacts["pipeline.onnx"], Time()
    (path := tmp_path / "model.onnx").write_bytes(good.path.read_bytes())
    with NativePredictor(path, good.signature, now=time, limits=Limits(cpu_seconds=None, wall_seconds=30)) as native:
        os.kill(native.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="died"):
            native.predict(good.sample)
        native._limits = Limits(cpu_seconds=None, wall_seconds=0.01)  # too short to start
        with pytest.raises(TimedOut):
            native.predict(good.sample)
        with pytest.raises(Unavailable, match=r"crashed 2 times in a row; it is tried again in 0\.5 s"):
            native.predict(good.sample)
        native._limits = Limits(cpu_seconds=None, wall_seconds=30)
        time.now += 0.6
        assert len(native.predict(good.sample)["label"]) == len(good.sample["wind"])


def test_what_cannot_be_loaded_is_told_at_the_start(artifacts, tmp_path):
    with pytest.raises(Untrusted):
        NativePredictor(artifacts["pipeline.pkl"].path, artifacts["pipeline.pkl"].signature)
    (path := tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(InvalidArtifact):
        NativePredictor(path)


def test_closing_ends_the_child(artifacts):
    good = artifacts["pipeline.onnx"]
    native = NativePredictor(good.path, good.signature)
    pid = native.pid
    native.close()
    native.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Unavailable, match="closed"):
        native.predict(good.sample)
