"""The suite that every kind has to pass, ours or a stranger's: subclass `KindCompliance` and let pytest collect the subclass.

    class TestLookup(KindCompliance):
        kind = LookupKind()

        def good(self) -> list[Good]:
            return [Good(path, sample, signature, expected)]

        def corrupt(self) -> list[Path]:
            return [not_a_table]

Nothing here imports pytest. Only declared capabilities are exercised; tests of undeclared ones are skipped, and calling them is
never tried. Everything runs in this process, so give it only artifacts of your own.
"""

from __future__ import annotations

import hashlib
import tempfile
import unittest
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from modelyard.core.errors import InvalidArtifact, InvalidInput, TooLarge, Untrusted
from modelyard.kinds import registry
from modelyard.kinds.batches import take
from modelyard.kinds.contract import Batch, Capability, Inspection, Kind, Observing, Policy, Predictor, Severity
from modelyard.kinds.signature import DataType, Signature


@dataclass(frozen=True)
class Good:
    """An artifact that works: a sample of inputs, the signature to load it with, and the answers to expect.

    `expected` may name fewer outputs than the model has. `translates` says whether `translate` must succeed.
    """

    path: Path
    sample: Batch
    signature: Signature
    expected: Batch
    policy: Policy = field(default_factory=Policy)
    tolerance: float = 1e-5
    translates: bool = False


class KindCompliance:
    """Set `kind`; give `good` and `corrupt` artifacts. Override nothing else."""

    kind: Kind

    def good(self) -> Sequence[Good]:
        """Artifacts that load and answer; at least one."""
        raise NotImplementedError

    def corrupt(self) -> Sequence[Path]:
        """Files or folders that `inspect` must refuse."""
        raise NotImplementedError

    # What a kind is

    def test_it_fulfils_the_contract(self) -> None:
        assert isinstance(self.kind, Kind)
        assert self.kind.name
        assert self.kind.formats
        assert len(set(self.kind.formats)) == len(self.kind.formats)
        assert Capability.INSPECT in self.kind.capabilities
        if Capability.PREDICT in self.kind.capabilities:
            assert Capability.LOAD in self.kind.capabilities, "what cannot be loaded cannot predict"

    # inspect

    def test_inspect_names_kind_and_format(self) -> None:
        for good in self._good():
            found = self.kind.inspect(good.path, good.policy)
            assert found.kind == self.kind.name, good.path
            assert found.format in self.kind.formats, good.path

    def test_inspect_repeats_itself_and_changes_nothing(self) -> None:
        for good in self._good():
            before = _fingerprint(good.path)
            first = self.kind.inspect(good.path, good.policy)
            assert self.kind.inspect(good.path, good.policy) == first, good.path
            assert _fingerprint(good.path) == before, good.path

    def test_an_inspection_survives_json(self) -> None:
        for good in self._good():
            found = self.kind.inspect(good.path, good.policy)
            assert Inspection.model_validate_json(found.model_dump_json()).signature == found.signature, good.path

    def test_inspect_refuses_corrupt_artifacts(self) -> None:
        for path in self.corrupt():
            _raises(InvalidArtifact, partial(self.kind.inspect, path, Policy()), str(path))

    def test_inspect_refuses_empty_files_and_folders(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            (folder := Path(name, "folder")).mkdir()
            (empty := Path(name, "empty")).touch()
            for path in (folder, empty):
                _raises(InvalidArtifact, partial(self.kind.inspect, path, Policy()), str(path))

    def test_inspect_meets_truncated_files_with_nothing_but_invalid_artifact(self) -> None:
        for good in self._good():
            if good.path.is_dir():
                continue
            data = good.path.read_bytes()
            for part in (1, 2, 7, len(data) // 2, len(data) - 1):
                _only(InvalidArtifact, TooLarge, work=partial(self._inspect_bytes, data[:part], good))

    def test_inspect_refuses_what_is_larger_than_policy_allows(self) -> None:
        for good in self._good():
            if good.path.is_file():
                small = good.policy.model_copy(update={"max_artifact_bytes": good.path.stat().st_size - 1})
                _raises(TooLarge, partial(self.kind.inspect, good.path, small), str(good.path))

    # load

    def test_load_refuses_what_policy_forbids(self) -> None:
        self._needs(Capability.LOAD)
        for good in self._good():
            found = self.kind.inspect(good.path, Policy())
            if any(risk.severity is Severity.DANGER for risk in found.risks):
                _raises(Untrusted, partial(self.kind.load, good.path, found, good.signature, Policy()), str(good.path))

    def test_load_keeps_the_declared_signature(self) -> None:
        self._needs(Capability.LOAD)
        for good, predictor in self._loaded():
            assert isinstance(predictor, Predictor)
            assert predictor.signature.inputs == good.signature.inputs, good.path
            assert predictor.signature.outputs, "a predictor names its outputs even if nobody declared them"
            if good.signature.outputs:
                assert predictor.signature.outputs == good.signature.outputs, good.path

    # predict

    def test_predict_gives_the_expected_answers(self) -> None:
        self._needs(Capability.PREDICT)
        for good, predictor in self._loaded():
            _same(predictor.predict(good.sample), good.expected, good.tolerance, str(good.path))

    def test_predict_answers_as_the_signature_says(self) -> None:
        self._needs(Capability.PREDICT)
        for good, predictor in self._loaded():
            answers = predictor.predict(good.sample)
            assert list(answers) == [output.name for output in predictor.signature.outputs], good.path
            for output in predictor.signature.outputs:
                column = answers[output.name]
                assert column.shape == (_rows(good.sample), *output.shape), (good.path, output.name)
                assert DataType.of(column.dtype) is output.type, (good.path, output.name)

    def test_predict_leaves_its_input_alone(self) -> None:
        self._needs(Capability.PREDICT)
        for good, predictor in self._loaded():
            before = {name: column.copy() for name, column in good.sample.items()}
            predictor.predict(good.sample)
            _same(good.sample, before, 0.0, str(good.path))

    def test_predict_refuses_bad_batches_and_names_the_field(self) -> None:
        self._needs(Capability.PREDICT)
        for good, predictor in self._loaded():
            predictor.predict(good.sample)
            for name, bad in _bad_batches(good.sample):
                error = _raises(InvalidInput, partial(predictor.predict, bad), f"{good.path}: {name}")
                assert error.field is not None or not bad or _rows(bad) == 0, f"{good.path}: {name}: no field named"

    def test_predict_is_safe_from_several_threads(self) -> None:
        self._needs(Capability.PREDICT)
        for good, predictor in self._loaded():
            expected = predictor.predict(good.sample)
            with ThreadPoolExecutor(4) as pool:
                for answers in pool.map(lambda _, p=predictor, g=good: p.predict(g.sample), range(16)):
                    _same(answers, expected, 0.0, str(good.path))

    # explain

    def test_explain_gives_a_reason_for_every_row(self) -> None:
        self._needs(Capability.EXPLAIN)
        for good, predictor in self._loaded():
            few = take(good.sample, slice(0, 3))
            found = predictor.explain(few, good.sample)
            assert len(found) == _rows(few), good.path
            known = {field.name for field in predictor.signature.inputs}
            for explanation in found:
                assert explanation.method, good.path
                assert explanation.text.endswith("."), good.path
                assert {a.field.partition("[")[0] for a in explanation.attributions} <= known, good.path

    # checks

    def test_checks_pass_on_good_artifacts(self) -> None:
        self._needs(Capability.CHECKS)
        for good, predictor in self._loaded():
            found = self.kind.checks(predictor, good.sample)
            assert len({check.name for check in found}) == len(found), good.path
            failed = [f"{check.name}: {check.detail}" for check in found if not check.passed]
            assert not failed, (good.path, failed)

    # observe

    def test_what_is_observed_is_a_category_for_every_row(self) -> None:
        self._needs(Capability.OBSERVE)
        for good, predictor in self._loaded():
            assert isinstance(predictor, Observing), good.path
            found = predictor.observe(good.sample)
            for name, column in found.items():
                assert column.shape == (_rows(good.sample),), (good.path, name)
                assert all(value is None or isinstance(value, str) for value in column), (good.path, name)
            _same(predictor.observe(good.sample), found, 0.0, str(good.path))

    # translate

    def test_a_translation_answers_like_the_original_or_is_refused(self) -> None:
        self._needs(Capability.TRANSLATE)
        for good in self._good():
            with tempfile.TemporaryDirectory() as into:
                self._check_translation(good, Path(into))

    def _check_translation(self, good: Good, into: Path) -> None:
        inspection = self.kind.inspect(good.path, good.policy)
        found = self.kind.translate(good.path, inspection, good.signature, good.sample, into, good.policy)
        if found is None or found.refused:
            assert not good.translates, (good.path, found)
            assert found is None or not found.path.exists(), "a refused translation must not be left behind"
            return
        assert found.path.is_relative_to(into)
        assert found.rows == _rows(good.sample)
        assert found.largest_difference <= good.policy.translation_tolerance, good.path
        again = registry.detect(found.path, Policy())
        predictor = registry.kind(again.kind).load(found.path, again, good.signature, Policy())
        _same(predictor.predict(good.sample), good.expected, good.policy.translation_tolerance, f"translation of {good.path}")

    # What the tests above use

    def _needs(self, capability: Capability) -> None:
        if capability not in self.kind.capabilities:
            raise unittest.SkipTest(f"{self.kind.name} does not declare {capability.value}")

    def _good(self) -> Sequence[Good]:
        found = self.good()
        assert found, "the suite needs at least one good artifact"
        return found

    def _loaded(self) -> Iterator[tuple[Good, Predictor]]:
        for good in self._good():
            inspection = self.kind.inspect(good.path, good.policy)
            yield good, self.kind.load(good.path, inspection, good.signature, good.policy)

    def _inspect_bytes(self, data: bytes, good: Good) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, good.path.name)
            path.write_bytes(data)
            self.kind.inspect(path, good.policy)


def _bad_batches(sample: Batch) -> Iterator[tuple[str, Batch]]:
    """What callers get wrong, each with a name."""
    first = next(iter(sample))
    yield "no fields", {}
    yield "unknown field", sample | {"no such field": next(iter(sample.values()))}
    yield "no rows", take(sample, slice(0, 0))
    yield "rows disagree", sample | {first: sample[first][:-1]} if len(sample) > 1 else {}
    yield "missing fields", {"no such field": sample[first]}
    for name, column in sample.items():
        wrong = np.full(column.shape, "text", dtype=object) if column.dtype.kind != "O" else np.zeros(column.shape)
        yield f"wrong type of {name}", sample | {name: wrong}
        yield f"wrong shape of {name}", sample | {name: np.stack([column] * 3, axis=1)}


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def _same(found: Batch, expected: Batch, tolerance: float, where: str) -> None:
    for name, right in expected.items():
        left = found[name]
        assert left.shape == right.shape, f"{where}: {name}: shape {left.shape}, expected {right.shape}"
        if right.dtype.kind == "f":
            np.testing.assert_allclose(left, right, atol=tolerance, rtol=tolerance, err_msg=f"{where}: {name}")
        else:
            np.testing.assert_array_equal(left, right, err_msg=f"{where}: {name}")


def _raises(kind: type[InvalidInput | Untrusted], work: Callable[[], object], where: str) -> InvalidInput | Untrusted:
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{where}: {kind.__name__} was not raised")


def _only(*kinds: type[Exception], work: Callable[[], object]) -> None:
    """Whatever the work raises is of these kinds."""
    try:
        work()
    except kinds:
        return


def _fingerprint(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
