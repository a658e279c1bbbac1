"""BentoML's service; started by `bentoml serve benchmarks.against.servers.bento:Model`."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.against.servers.answering import Answering


@bentoml.service(workers=1, traffic={"timeout": 60})
class Model:
    def __init__(self) -> None:
        self.model = Answering()

    @bentoml.api(route="/infer")
    def infer(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        return self.model.answer({"inputs": inputs})
