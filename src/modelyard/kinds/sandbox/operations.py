"""The child's side: what it does with a request. It runs in a process that has already given up its rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.core.errors import InvalidInput
from modelyard.kinds import infer, registry
from modelyard.kinds.contract import Batch, Inspection, Kind, Observing, Policy, Predictor
from modelyard.kinds.signature import Signature


class Request:
    """A request as the parent wrote it."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self.operation: str = plain["operation"]
        self.artifact = Path(plain["artifact"])
        self.policy = Policy.model_validate(plain["policy"])
        self._kind: str | None = plain["kind"]
        self._signature = None if plain["signature"] is None else Signature.model_validate(plain["signature"])
        self._sample: str | None = plain["sample"]
        self._output: str | None = plain["output"]

    def inspection(self) -> Inspection:
        """What the named kind, or any, says of the artifact."""
        if self._kind is None:
            return registry.detect(self.artifact, self.policy)
        return registry.kind(self._kind).inspect(self.artifact, self.policy)

    def sample(self) -> pa.Table:
        """The sample's table."""
        if self._sample is None:
            raise InvalidInput("a sample is needed", field="sample")
        return infer.read(Path(self._sample))

    def output(self) -> Path:
        """Where to write."""
        if self._output is None:
            raise InvalidInput("a place to write to is needed", field="output")
        return Path(self._output)

    def signature(self, inspection: Inspection) -> Signature:
        """The declared signature, or the artifact's own, or what the sample shows."""
        return self._signature or inspection.signature or infer.infer(self.sample())


def run(request: Request) -> Any:
    """The operation's plain result."""
    return _OPERATIONS[request.operation](request)


def load(request: Request) -> tuple[Kind, Inspection, Predictor]:
    """The request's artifact as a predictor, with its kind and inspection."""
    inspection = request.inspection()
    kind = registry.kind(inspection.kind)
    return kind, inspection, kind.load(request.artifact, inspection, request.signature(inspection), request.policy)


def _inspect(request: Request) -> Any:
    return request.inspection().model_dump(mode="json")


def _check(request: Request) -> Any:
    kind, inspection, predictor = load(request)
    checks = kind.checks(predictor, _inputs(request.sample(), predictor.signature)) if "checks" in kind.capabilities else ()
    return {
        "inspection": inspection.model_dump(mode="json"),
        "signature": predictor.signature.model_dump(mode="json"),
        "checks": [check.model_dump(mode="json") for check in checks],
    }


def _translate(request: Request) -> Any:
    inspection = request.inspection()
    kind = registry.kind(inspection.kind)
    if "translate" not in kind.capabilities:
        return None
    signature = request.signature(inspection)
    sample = _inputs(request.sample(), signature)
    found = kind.translate(request.artifact, inspection, signature, sample, request.output(), request.policy)
    return None if found is None else found.model_dump(mode="json")


def _evaluate(request: Request) -> Any:
    _, _, predictor = load(request)
    table = infer.encode(predictor.predict(_inputs(request.sample(), predictor.signature)))
    with pa.OSFile(str(request.output()), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return {"rows": table.num_rows}


def _observe(request: Request) -> Any:
    _, _, predictor = load(request)
    if not isinstance(predictor, Observing):
        raise InvalidInput("the kind of this model observes nothing", field="kind")
    observed = predictor.observe(_inputs(request.sample(), predictor.signature))
    if observed:
        table = infer.encode(observed)
        with pa.OSFile(str(request.output()), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return {"columns": len(observed)}


def _inputs(table: pa.Table, signature: Signature) -> Batch:
    return infer.decode(table, signature.model_copy(update={"outputs": ()}))


_OPERATIONS = {"inspect": _inspect, "check": _check, "translate": _translate, "evaluate": _evaluate, "observe": _observe}
