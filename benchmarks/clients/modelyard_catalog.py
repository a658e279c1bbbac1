"""The catalog's work done with Modelyard's own client."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import serve
from benchmarks.versions import MODELS, model_name, version
from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.catalog.model import VERSION_STATES, Metric, Recipe
from modelyard.client import Client
from modelyard.evaluation.registration import Declared, Registration
from modelyard.kinds.signature import DataType, FieldSpec, Role

OUTPUTS = (
    FieldSpec(name="label", type=DataType.INT64, role=Role.LABEL),
    FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE),
)


class Orders:
    def __init__(self, url: str, token: str, artifact: str) -> None:
        self._client = Client(url, token)
        self._digest = self._client.upload(Path(artifact)).digest

    def models(self) -> int:
        self._client.do(RegisterUseCase(name="benchmark", tier="low"))
        for number in range(MODELS):
            self._client.do(RegisterModel(name=model_name(number), use_case="benchmark", kind="ml"))
        return MODELS

    def versions(self, first: int, count: int) -> int:
        """Each with parameters, metrics, tags and notes: authorised, its artifact verified, audited, in one durable commit."""
        for number in range(first, first + count):
            v = version(number)
            asked = Registration(
                model=v["model"],
                artifact=self._digest,
                filename="model.onnx",
                signature=Declared(outputs=OUTPUTS),
                translate=False,
                notes=v["notes"],
                tags=tuple(f"{key}:{value}" for key, value in v["tags"].items()),
                recipe=Recipe(command=("python", "train.py"), parameters=v["parameters"]),
                metrics={name: Metric(value=value) for name, value in v["metrics"].items()},
            )
            self._client.register_uploaded(asked)
        return count

    def search(self, kind: str, words: list[str], limit: int) -> list[int]:
        """One search for each word; how many were found by each."""
        wheres: dict[str, Any] = {"name": "model", "sorted": "model", "field": "status"}
        sort = {"sorted": "-number", "field": "-status_since"}.get(kind, "-created_at")
        found = []
        for word in words:
            given: dict[str, Any] = {"where": {wheres[kind]: word}} if kind in wheres else {"text": word}
            found.append(sum(1 for _ in self._client.find(VERSION_STATES, sort=sort, limit=limit, **given)))
        return found


if __name__ == "__main__":
    serve(Orders(*sys.argv[1:4]))
