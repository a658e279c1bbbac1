"""Cedar, as this platform speaks it: parsed policies, a question, an answer that says which policy decided.

Fails closed: a subject whose attributes are not of the types in the schema, or a policy that cannot be evaluated, denies,
where Cedar itself would skip the policy and so turn a broken `forbid` into nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import cedarpy

from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput
from modelyard.core.messages import Actor, Subject

READ = "read"
_ACTION = re.compile(r'"((?:[a-z]+\.)?[a-z_]+)"')
_ATTRIBUTE = re.compile(r"^\s+([a-z_]+)\??:", re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """May this actor do this to that?"""

    actor: Actor
    action: str
    subject: Subject
    reason_given: bool = False
    dry_run: bool = False

    def asked_by(self, actor: Actor) -> Question:
        return replace(self, actor=actor)


@dataclass(frozen=True)
class Answer:
    """`policies` are the `@id`s that decided: permits when allowed, forbids when denied (none: nothing permitted it);
    `errors` what could not be evaluated."""

    allowed: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...] = ()


class Policies:
    """A parsed set of policies with its digest. Immutable; parse once, ask often."""

    def __init__(self, text: str) -> None:
        try:
            self._parsed = cedarpy.PolicySet.from_str(text)
        except ValueError as error:
            raise InvalidInput(f"these are not Cedar policies: {error}", field="text") from error
        self.text, self.digest = text, digest(text.encode())

    def ask(self, question: Question) -> Answer:
        return self.ask_all([question])[0]

    def ask_all(self, questions: list[Question]) -> list[Answer]:
        """Answers to questions about one and the same subject by different actors."""
        described = [_resource(questions[0].subject), *_actors(question.actor for question in questions)]
        try:
            entities = cedarpy.Entities.from_json_str(json.dumps(described, default=str), schema())
        except ValueError as error:
            wrong = f"{questions[0].subject.type} does not fit the schema: {error}"
            return [Answer(allowed=False, policies=(), errors=(wrong,)) for _ in questions]
        requests = [_request(number, question) for number, question in enumerate(questions)]
        return [_answer(result) for result in cedarpy.is_authorized_batch(requests, self._parsed, entities)]

    def problems(self) -> list[str]:
        """What Cedar finds wrong with the policies, measured against the schema: unknown actions, attributes, types."""
        found = cedarpy.validate_policies(self.text, schema())
        names = found.id_annotations_by_policy_id
        return [f"{names.get(problem.policy_id, problem.policy_id)}: {problem.error}" for problem in found.errors]


@lru_cache(maxsize=16)
def policies_of(text: str) -> Policies:
    """The parsed policies of a text. Raises InvalidInput."""
    return Policies(text)


@cache
def default_text() -> str:
    """The policies that ship with the platform."""
    return files("modelyard.governance.policy").joinpath("default.cedar").read_text(encoding="utf-8")


@cache
def schema_text() -> str:
    """The Cedar schema: every action of the platform, and the attributes that policies may use."""
    return files("modelyard.governance.policy").joinpath("schema.cedarschema").read_text(encoding="utf-8")


@cache
def schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str(schema_text())


@cache
def known_actions() -> frozenset[str]:
    """Every action that the schema declares; `read` among them. A command that is not here can never be permitted."""
    declarations = [part for part in schema_text().split(";") if re.search(r"^action\b", part, re.MULTILINE)]
    return frozenset(name for part in declarations for name in _ACTION.findall(part))


@cache
def known_attributes() -> frozenset[str]:
    """Every attribute of a resource that the schema declares."""
    _, _, declaration = schema_text().partition("entity Resource = {")
    return frozenset(_ATTRIBUTE.findall(declaration.partition("};")[0]))


def _request(number: int, question: Question) -> dict[str, Any]:
    return {
        "principal": _uid("Actor", str(number)),
        "action": _uid("Action", question.action),
        "resource": _uid("Resource", "asked"),
        "context": {"reason_given": question.reason_given, "dry_run": question.dry_run},
    }


def _actors(actors: Iterable[Actor]) -> list[dict[str, Any]]:
    return [
        {
            "uid": _uid("Actor", str(number)),
            "attrs": {"id": actor.id, "kind": actor.kind.value, "roles": sorted(actor.roles)},
            "parents": [_uid("Role", role) for role in sorted(actor.roles)],
        }
        for number, actor in enumerate(actors)
    ]


def _resource(subject: Subject) -> dict[str, Any]:
    """The subject with those of its attributes that the schema declares; others no policy can ask for."""
    told = {name: value for name, value in subject.attributes.items() if value is not None and name in known_attributes()}
    return {"uid": _uid("Resource", "asked"), "attrs": told | {"id": subject.id, "type": subject.type}, "parents": []}


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _answer(result: cedarpy.AuthzResult) -> Answer:
    told = result.diagnostics
    errors = tuple(str(error) for error in told.errors)
    names = tuple(sorted(told.id_annotations_by_reason.get(reason, reason) for reason in told.reasons))
    return Answer(allowed=result.allowed and not errors, policies=names, errors=errors)
