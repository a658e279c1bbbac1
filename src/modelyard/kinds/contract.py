"""The contract of a kind: what a family of models must be able to do so that Modelyard can run its life.

A kind is an object found by entry point in the group `modelyard.kinds`. It declares what it can do (`capabilities`) and is
never asked for more. Everything it needs is in its arguments: a kind opens no database and no network connection of its own.

    inspect    read an artifact without running it: format, signature, risks
    load       give a predictor (called in a child process or in the runtime, never in the control plane)
    predict    a batch in, a batch out (on the predictor)
    explain    why this answer (on the predictor)
    checks     the tests and monitors that are native to the kind
    translate  give the same model in a faster or safer format, with the proof of sameness
    observe    what happened on the way to the answers, for monitors native to the kind (on the predictor)

A batch is a dict from field name to an array whose first axis is the rows; see `Batch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict

from modelyard.kinds.signature import Signature

Batch = dict[str, np.ndarray[Any, Any]]
"""Field name to array; the first axis is the rows, the same number in every field. Text is an object array of `str`."""


class Capability(StrEnum):
    INSPECT = "inspect"
    LOAD = "load"
    PREDICT = "predict"
    EXPLAIN = "explain"
    CHECKS = "checks"
    TRANSLATE = "translate"
    OBSERVE = "observe"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


class Risk(BaseModel):
    """Something that a reviewer should know about an artifact. DANGER means: never load unless policy allows it."""

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    detail: str


UNBOUNDED_WORK = "unbounded_work"
"""The risk that the values of a request decide how long a model works: a runtime serves it in a process of its own."""
DECLARES_SIGNATURE = "declares_signature"


class Inspection(BaseModel):
    """What can be said of an artifact without running it.

    `signature` is None when the format does not carry one (then it must be declared or inferred from a sample).
    `executes_code` is true for formats that run code of their author when they are loaded (pickle and its kin).
    `requirements` names the distributions that loading needs, as PEP 508 strings; `facts` is free detail for people. The fact
    `DECLARES_SIGNATURE` says that the author wrote the signature's types and bounds into the artifact: then they count as
    declared, and a sample does not change them.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    format: str
    signature: Signature | None = None
    executes_code: bool = False
    risks: tuple[Risk, ...] = ()
    requirements: tuple[str, ...] = ()
    facts: Mapping[str, Any] = {}


class Attribution(BaseModel):
    """One field's share in one answer, in the unit of the output (for a probability: of the log odds if `unit` says so)."""

    model_config = ConfigDict(frozen=True)

    field: str
    value: Any
    contribution: float


class Explanation(BaseModel):
    """Why one row got its answer. `text` is a sentence for a business owner; `method` names how it was found."""

    model_config = ConfigDict(frozen=True)

    method: str
    text: str
    attributions: tuple[Attribution, ...] = ()


class CheckResult(BaseModel):
    """The result of one check that a kind runs on its own artifact."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    value: float | None = None
    threshold: float | None = None
    detail: str = ""


class Translation(BaseModel):
    """The same model in another format, written to `path`, and how far it strays from the original on the sample.

    `largest_difference` is the greatest absolute difference over numeric outputs; `label_changes` counts rows whose
    discrete output differs; `rows` is how many rows were compared. `refused` is empty when the translation may serve;
    otherwise it says why not (it could not be made, or it strays beyond the policy's tolerance), nothing is left at `path`,
    and the original serves.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    format: str
    largest_difference: float
    label_changes: int
    rows: int
    refused: str = ""


class Isolate(StrEnum):
    """Which versions run in an environment of their own, where they have a lock: none (what needs one is refused), those whose
    engine is not in the platform's environment or whose format runs code of its author, or all."""

    NEVER = "never"
    UNTRUSTED = "untrusted"
    ALWAYS = "always"


class Confine(StrEnum):
    """What happens where the platform cannot keep a model's process from the network, from files and from other processes:
    it runs and that is told in its status, or it is refused."""

    WHERE_POSSIBLE = "where-possible"
    REQUIRED = "required"


class Policy(BaseModel):
    """What the organisation allows a kind to load. The defaults are the safe ones.

    `allow_code` lets formats that are code (a folder with `model.py`, MLflow's Python functions, types that nobody has vetted)
    be loaded, always in a process of their own. `network` names the models that may use the network if their release grants it
    (`*`: all). `shared_weights` is a folder of the loading process's own, for kinds whose engine can map large weights from a
    file that several processes share; without it each process holds its own.
    """

    model_config = ConfigDict(frozen=True)

    allow_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
    translation_tolerance: float = 1e-4
    max_artifact_bytes: int = 2 << 30
    max_unpacked_bytes: int = 4 << 30
    allow_code: bool = False
    isolate: Isolate = Isolate.UNTRUSTED
    confine: Confine = Confine.WHERE_POSSIBLE
    network: tuple[str, ...] = ()
    shared_weights: Path | None = None


@runtime_checkable
class Predictor(Protocol):
    """A loaded model. `predict` is safe to call from several threads at once."""

    signature: Signature

    def predict(self, batch: Batch) -> Batch:
        """Answers for every row. Raises InvalidInput when a field is missing or has the wrong type or shape."""
        ...

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """One explanation a row; only if the kind declares EXPLAIN."""
        ...


@runtime_checkable
class Observing(Protocol):
    """A predictor of a kind that declares OBSERVE."""

    def observe(self, batch: Batch) -> Batch:
        """What happened on the way to each row's answer, as categories: text or None a row and name (for rules: which rule of a
        table fired). Monitors compare it with what happened in the reference sample. Raises InvalidInput as `predict` does."""
        ...


@runtime_checkable
class Kind(Protocol):
    """A family of models. Stateless: one object serves all threads."""

    name: str
    formats: tuple[str, ...]
    capabilities: frozenset[Capability]

    def inspect(self, artifact: Path, policy: Policy) -> Inspection:
        """Read a file or folder without running any of it. Raises InvalidArtifact when it is not one of `formats`."""
        ...

    def load(self, artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> Predictor:
        """A predictor for the artifact. Raises InvalidArtifact when it cannot be loaded, Untrusted when policy forbids.

        A `signature` without outputs is completed: the predictor's own signature names them by the kind's conventions.
        """
        ...

    def checks(self, predictor: Predictor, sample: Batch) -> Sequence[CheckResult]:
        """The kind's own checks on a loaded model; only if the kind declares CHECKS."""
        ...

    def translate(
        self, artifact: Path, inspection: Inspection, signature: Signature, sample: Batch, into: Path, policy: Policy
    ) -> Translation | None:
        """The model in a faster or safer format, written below `into`; None when there is no such format.

        A translation that fails or strays beyond `policy.translation_tolerance` is returned with `refused` set.
        """
        ...
