"""What BentoML, LitServe and Ray Serve answer with: the ONNX file, asked as our runtime asks it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime


class Answering:
    """One loaded model. The body is a request of the Open Inference Protocol with one tensor."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        tensor = body["inputs"][0]
        x = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
        label, probabilities = self.session.run(None, {"x": x})
        return {"label": label.tolist(), "probability": probabilities.tolist()}
