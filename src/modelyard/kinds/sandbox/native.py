"""A model kept loaded in a child process of the platform's own environment: its crash is not ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from modelyard.kinds.contract import Policy
from modelyard.kinds.sandbox.hosted import HostedPredictor, Launch, Progress
from modelyard.kinds.sandbox.limits import SERVING, Limits
from modelyard.kinds.signature import Signature


class NativePredictor(HostedPredictor):
    """A `Predictor` of any kind in a child that runs Modelyard itself; see `HostedPredictor`."""

    def __init__(
        self,
        artifact: Path,
        signature: Signature | None = None,
        policy: Policy | None = None,
        *,
        kind: str | None = None,
        limits: Limits = SERVING,
        python: Path | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Start the child and load. Raises what loading raises; `python` is another interpreter that has Modelyard."""
        super().__init__(limits, now)
        self._artifact, self._python = artifact.absolute(), python
        self._request = {
            "operation": "serve",
            "artifact": str(self._artifact),
            "policy": (policy or Policy()).model_dump(mode="json"),
            "kind": kind,
            "signature": None if signature is None else signature.model_dump(mode="json"),
            "sample": None,
            "output": None,
        }
        with self._lock:
            self._start(self._say)

    def _launch(self, say: Progress) -> Launch:
        command = [str(self._python or sys.executable), "-I", "-m", "modelyard.kinds.sandbox"]
        return Launch(lambda terms: [*command, "--serve", terms], (self._artifact,), self._request)

    def _loaded(self, told: Any) -> None:
        self.signature = Signature.model_validate(told["signature"])
        self.missing = tuple(map(str, told["missing"]))
