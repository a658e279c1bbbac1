"""Lookup tables: `{"format": "lookup/1", "field": "country", "table": {"NZ": 0.2}, "default": 0.1}`."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelyard.core.errors import TooLarge
from modelyard.kinds.batches import conform
from modelyard.kinds.contract import Batch, Capability, Inspection, Policy
from modelyard.kinds.registry import UnknownFormat
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature


@dataclass(frozen=True)
class LookupPredictor:
    """Answers with the value that the table has for the field's text."""

    signature: Signature
    table: dict[str, float]
    default: float

    def predict(self, batch: Batch) -> Batch:
        rows = conform(batch, self.signature.inputs)
        keys = rows[self.signature.inputs[0].name]
        return {self.signature.outputs[0].name: np.array([self.table.get(key, self.default) for key in keys])}

    def explain(self, batch: Batch, background: Batch | None = None) -> list[object]:
        raise AssertionError("not declared, so never called")


class LookupKind:
    """Inspects, loads and predicts; nothing else is declared."""

    name = "lookup"
    formats = ("lookup-json",)
    capabilities = frozenset({Capability.INSPECT, Capability.LOAD, Capability.PREDICT})

    def inspect(self, artifact: Path, policy: Policy) -> Inspection:
        field, table, _ = _read(artifact, policy)
        return Inspection(kind=self.name, format="lookup-json", signature=_signature(field), facts={"entries": len(table)})

    def load(self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> LookupPredictor:
        field, table, default = _read(artifact, policy)
        outputs = signature.outputs or _signature(field).outputs
        return LookupPredictor(signature.model_copy(update={"outputs": outputs}), table, default)

    def checks(self, *_: object) -> list[object]:
        raise AssertionError("not declared, so never called")

    def translate(self, *_: object) -> None:
        raise AssertionError("not declared, so never called")


def _signature(field: str) -> Signature:
    score = FieldSpec(name="prediction", type=DataType.FP64, role=Role.SCORE)
    return Signature(inputs=(FieldSpec(name=field, type=DataType.BYTES),), outputs=(score,))


def _read(artifact: Path, policy: Policy) -> tuple[str, dict[str, float], float]:
    if not artifact.is_file():
        raise UnknownFormat("a lookup table is a file", field="artifact")
    if artifact.stat().st_size > policy.max_artifact_bytes:
        raise TooLarge("the lookup table is too large", field="artifact")
    try:
        document = json.loads(artifact.read_bytes())
        if document["format"] != "lookup/1":
            raise ValueError("another format")
        table = {str(key): float(value) for key, value in document["table"].items()}
        return str(document["field"]), table, float(document["default"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnknownFormat(f"not a lookup table: {error}", field="artifact") from error


kind = LookupKind()
