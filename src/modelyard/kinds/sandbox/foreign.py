"""A model in a process and an environment of its own, which need not hold Modelyard: the shim serves it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput, Unavailable
from modelyard.kinds.batches import conform, row_count
from modelyard.kinds.contract import Batch, Policy
from modelyard.kinds.environments import Environment, Environments
from modelyard.kinds.sandbox.hosted import HostedPredictor, Launch, Progress
from modelyard.kinds.sandbox.limits import SERVING, Limits
from modelyard.kinds.signature import DataType, FieldSpec, Signature

SHIM = Path(__file__).parent.parent / "shim"


class ForeignPredictor(HostedPredictor):
    """A `Predictor` in the environment that a lock describes; see `HostedPredictor`.

    Nothing is built or started until `start`, or the first question. Who asks before it is ready waits for the time of one
    answer. What comes from the model is held against the signature: an answer of another shape is the model's fault.
    """

    def __init__(
        self,
        artifact: Path,
        signature: Signature,
        environments: Environments,
        lock: bytes,
        *,
        format_: str,
        python: str = "",
        policy: Policy | None = None,
        facts: Mapping[str, Any] | None = None,
        limits: Limits = SERVING,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Raises InvalidInput when the signature declares no outputs: the shim does not guess them."""
        super().__init__(limits, now)
        if not signature.outputs:
            raise InvalidInput("a version in an environment of its own declares its outputs", field="signature.outputs")
        self.signature = signature
        self.python: str | None = None
        self._artifact, self._environments, self._lock_bytes, self._wanted = artifact.absolute(), environments, lock, python
        self._environment: Environment | None = None
        policy = policy or Policy()
        self._request = {
            "artifact": str(self._artifact),
            "format": format_,
            "inputs": [field.model_dump(mode="json") for field in signature.inputs],
            "outputs": [field.model_dump(mode="json") for field in signature.outputs],
            "facts": dict(facts or {}),
            "trusted": list(policy.trusted_types),
            "code": policy.allow_code,
            "pickle": policy.allow_pickle or policy.allow_code,
        }

    def predict(self, batch: Batch) -> Batch:
        """See `Predictor.predict`. Raises Unavailable when the child died or answered what the signature does not declare."""
        return self.answer(conform(batch, self.signature.inputs))

    def answer(self, conformed: Batch) -> Batch:
        """The same for a batch that fits the signature already."""
        found = self._columns("answer", conformed)
        rows = row_count(conformed)
        return {field.name: _fitting(found.get(field.name), field, rows) for field in self.signature.outputs}

    def status(self) -> dict[str, Any]:
        """Plain facts for `/status`."""
        return super().status() | {"python": self.python}

    def _launch(self, say: Progress) -> Launch:
        self._leave_environment()
        self._environment = self._environments.get(self._lock_bytes, self._wanted, say)
        command = [str(self._environment.python), "-I", "-S", str(SHIM)]
        return Launch(lambda terms: [*command, terms], (self._artifact, *self._environment.paths), self._request)

    def _loaded(self, told: Any) -> None:
        self.missing, self.python = tuple(map(str, told["missing"])), str(told["python"])
        if self._environment is not None:
            self._environments.compile_later(self._environment)

    def _let_go(self) -> None:
        super()._let_go()
        self._leave_environment()

    def _leave_environment(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None


def _fitting(column: Any, field: FieldSpec, rows: int) -> np.ndarray[Any, Any]:
    """A column that came, as it was declared. Raises Unavailable: the caller did nothing wrong."""
    if column is None:
        raise _wrong(field, "it did not answer it")
    if column.shape != (rows, *field.shape):
        raise _wrong(field, f"it answered the shape {column.shape} for {rows} rows")
    if (column.dtype.kind == "O") != (field.type is DataType.BYTES):
        raise _wrong(field, f"it answered {'text' if column.dtype.kind == 'O' else column.dtype}")
    found: np.ndarray[Any, Any] = column.astype(field.type.numpy, copy=False)
    return found


def _wrong(field: FieldSpec, why: str) -> Unavailable:
    return Unavailable(
        f"the model does not keep to its signature: output {field.name!r} should be {field.type}, {why}", field=field.name
    )
