"""A kind for tests: it says again what it was given, at once or word by word. `forms_stage` installs it for a runtime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.kinds.contract import Batch, Capability, Inspection, Policy
from modelyard.kinds.signature import Signature

PACE = 0.02


class Echo:
    """Outputs are called as inputs with `_out` behind."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def predict(self, batch: Batch) -> Batch:
        return {f"{name}_out": values for name, values in batch.items()}

    def explain(self, batch: Batch, background: Batch | None = None) -> Any:
        raise NotImplementedError

    def stream(self, batch: Batch) -> Iterator[Batch]:
        """Word by word. `fail` raises, `forever …` never ends and tells the named file when it is stopped."""
        (text,) = batch["text"]
        words = str(text).split()
        if words[:1] == ["forever"]:
            yield from self._forever(Path(words[1]))
        for place, word in enumerate(words):
            if word == "fail":
                raise RuntimeError("the model lost its words")
            yield {"text_out": np.array([word + " "], dtype=object), "words_out": np.array([place + 1])}

    def _forever(self, told: Path) -> Iterator[Batch]:
        try:
            while True:
                time.sleep(PACE)
                yield {"text_out": np.array(["on "], dtype=object), "words_out": np.array([0])}
        finally:
            told.write_text("stopped")


class EchoKind:
    name = "echo"
    formats = ("onnx",)
    capabilities = frozenset({Capability.INSPECT, Capability.LOAD, Capability.PREDICT})

    def inspect(self, artifact: Path, policy: Policy) -> Inspection:
        return Inspection(kind="echo", format="onnx")

    def load(self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> Echo:
        return Echo(signature)

    def checks(self, predictor: Any, sample: Batch) -> Any:
        return ()

    def translate(self, *given: Any) -> None:
        return None


KIND = EchoKind()
