"""The first `modelyard.yaml` of a model: written from answers or from no more than the name of an artifact."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from modelyard.catalog.manifest_file import API_VERSION, FilePath
from modelyard.catalog.profile import Tier
from modelyard.catalog.texts import Line, Name, Words
from modelyard.catalog.yaml_text import write

_KINDS = {
    ".dmn": "rules",
    ".ttl": "graph",
    ".nq": "graph",
    ".jsonld": "graph",
    ".mps": "optimization",
    ".lp": "optimization",
    ".mzn": "optimization",
    ".gguf": "language",
}
"""A guess by the name alone, to fill in a kind; the artifact itself is looked at when it is registered."""


class FirstAnswers(BaseModel):
    """What `modelyard init` asks; each has an answer that serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Name
    use_case: Name
    kind: Line = "ml"
    artifact: FilePath = "model.onnx"
    description: Words = ""
    business_owner: Line = ""
    owner: Line = ""
    tier: Tier | None = None
    sample: FilePath | None = None
    lock: FilePath | None = None


def answers_for(artifact: str) -> FirstAnswers:
    """Answers that follow from an artifact's path: `models/flight-delay.onnx` is the model `flight-delay` of kind `ml`."""
    path = PurePosixPath(artifact)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "model"
    name = plain[:80] if not re.match(r"^(uc|mdl|ver)_", plain) else f"model-{plain[:70]}"
    kind = _KINDS.get(path.suffix.lower(), "ml")
    return FirstAnswers(model=name, use_case=f"{name}-use-case", kind=kind, artifact=artifact)


def template(answers: FirstAnswers) -> str:
    """The file's text, with comments where a person should go on; `parse` accepts it as it is."""
    return "".join((_head(), _use_case(answers), _model(answers), _version(answers), _tail()))


def _head() -> str:
    return (
        "# A model as code: `modelyard register` reads this file.\n"
        "# Every field is described in docs/reference/modelyard-yaml.md.\n"
        f"apiVersion: {API_VERSION}\n\n"
    )


def _use_case(answers: FirstAnswers) -> str:
    given = {"name": answers.use_case, "description": answers.description, "business_owner": answers.business_owner}
    return (
        "# The business decision that the model makes or informs.\n"
        "use_case:\n"
        + write({k: v for k, v in given.items() if v} | ({"tier": answers.tier.value} if answers.tier else {}), 1)
        + "  # purpose:\n"
        "  #   intended_use: hold connecting flights when an arrival will be late\n"
        "  #   out_of_scope_uses: [crew planning]\n"
        "  # value:\n"
        "  #   cost_matrix: {currency: USD, false_positive: 40, false_negative: 160}\n\n"
    )


def _model(answers: FirstAnswers) -> str:
    given = {"name": answers.model, "kind": answers.kind, "owner": answers.owner}
    return "model:\n" + write({k: v for k, v in given.items() if v}, 1) + "\n"


def _version(answers: FirstAnswers) -> str:
    given = {"artifact": answers.artifact, "sample": answers.sample, "lock": answers.lock}
    return (
        "version:\n"
        + write({k: v for k, v in given.items() if v}, 1)
        + ("" if answers.sample else "  # sample: sample.csv\n")
        + ("" if answers.lock else "  # lock: requirements.lock\n")
        + "  # Types are read from the artifact and the sample; say here what they cannot know.\n"
        "  # signature:\n"
        "  #   inputs:\n"
        "  #     - {name: customer_id, role: identifier}\n"
        "  #   outputs:\n"
        "  #     - {name: score, role: score}\n"
        "  # data:\n"
        "  #   - {name: january, purpose: train, path: data/january.parquet, licence: CC0-1.0}\n"
        "  # metrics:\n"
        "  #   auc: {value: 0.81, data: january, reason: ranks well at any threshold}\n\n"
    )


def _tail() -> str:
    return "# Bounds that every version must keep.\n# tests:\n#   - {measure: auc, data: january, minimum: 0.7}\n"
