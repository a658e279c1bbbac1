"""What the inventory can know without asking: from the version's manifest, its lineage, its commit, its model and use case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from modelyard.catalog.model import DataReference, Model, Provenanced, Source, UseCase, Version, VersionState
from modelyard.kinds.signature import FieldSpec, Role

PLATFORM = "catalog"


@dataclass(frozen=True)
class Given:
    """The records that an inventory record is derived from."""

    version: Version
    state: VersionState
    model: Model
    use_case: UseCase
    previous: Version | None
    parents: tuple[Version, ...]
    children: tuple[Version, ...]


def _perhaps_personal(given: Given) -> str | None:
    signature = given.version.manifest.signature
    names = [f.name for f in signature.inputs if f.role in {Role.IDENTIFIER, Role.PROTECTED}]
    return f"perhaps: fields {', '.join(names)}" if names else None


Derivation = Callable[[Given], Any]

SAID: dict[str, Derivation] = {
    "technique.compute": lambda g: g.version.compute,
    "data.provenance": lambda g: "; ".join(f"{d.name}: {d.provenance}" for d in g.version.data if d.provenance),
    "assurance.metric_rationale": lambda g: "; ".join(f"{n}: {m.reason}" for n, m in g.version.metrics.items() if m.reason),
    "assurance.limitations": lambda g: list(g.version.limitations),
    "governance.changes": lambda g: g.version.notes,
}
"""What the developer said when the version was registered."""
FROM_VERSION: dict[str, Derivation] = {
    "identity.id": lambda g: g.version.id,
    "identity.name": lambda g: g.version.model,
    "identity.version": lambda g: g.version.number,
    "identity.previous_version": lambda g: g.previous.name if g.previous else None,
    "people.organisation": lambda g: g.version.organisation,
    "people.developer": lambda g: g.version.developer,
    "technique.recipe": lambda g: g.version.recipe.model_dump(mode="json") if g.version.recipe else None,
    "dependencies.python": lambda g: g.version.recipe.python if g.version.recipe else None,
    "assurance.metrics": lambda g: {name: metric.model_dump(mode="json") for name, metric in g.version.metrics.items()},
}
FROM_MANIFEST: dict[str, Derivation] = {
    "identity.kind": lambda g: g.version.manifest.kind,
    "identity.digest": lambda g: g.version.manifest_digest,
    "data.schema": lambda g: _described(g.version.manifest.signature.inputs),
    "data.protected_fields": lambda g: [f.name for f in g.version.manifest.signature.with_role(Role.PROTECTED)],
    "dependencies.environment_lock": lambda g: g.version.manifest.environment_lock,
    "outputs.outputs": lambda g: _described(g.version.manifest.signature.outputs),
}
FROM_STATE: dict[str, Derivation] = {
    "identity.status": lambda g: g.state.status.value,
    "identity.status_since": lambda g: g.state.status_since.isoformat(),
    "identity.stages": lambda g: [g.state.stage],
    "identity.tags": lambda g: sorted({*g.state.tags, *g.model.tags}),
    "value.retired_at": lambda g: g.state.status_since.isoformat() if g.state.status == "retired" else None,
    "value.retired_reason": lambda g: g.state.reason if g.state.status == "retired" else None,
}
FROM_LINEAGE: dict[str, Derivation] = {
    "data.sources": lambda g: [_source(d.name, d.purpose, d.uri) for d in g.version.data],
    "data.licences": lambda g: {d.name: d.licence for d in g.version.data if d.licence},
    "data.periods": lambda g: {d.name: _period(d) for d in g.version.data if d.period_from or d.period_to},
    "data.rows": lambda g: {f"{d.name} ({d.purpose})": d.rows for d in g.version.data if d.rows is not None},
    "data.digests": lambda g: {f"{d.name} ({d.purpose})": d.digest for d in g.version.data if d.digest},
    "dependencies.upstream_models": lambda g: [p.name for p in g.parents],
    "dependencies.upstream_data": lambda g: sorted({d.uri or d.name for d in g.version.data}),
    "dependencies.downstream_models": lambda g: [c.name for c in g.children],
}
FROM_GIT: dict[str, Derivation] = {
    "dependencies.code": lambda g: g.version.git.model_dump(mode="json") if g.version.git else None,
}
FROM_USE_CASE: dict[str, Derivation] = {
    "identity.use_case": lambda g: g.use_case.name,
    "people.business_owner": lambda g: g.use_case.business_owner,
    "purpose.business_problem": lambda g: g.use_case.description,
    "governance.tier": lambda g: g.use_case.tier.value if g.use_case.tier else None,
    "governance.regulatory_class": lambda g: g.use_case.regulatory_class,
    "governance.review_at": lambda g: g.use_case.review_at.isoformat() if g.use_case.review_at else None,
}
FROM_MODEL: dict[str, Derivation] = {"people.technical_owner": lambda g: g.model.owner}
FROM_INSPECTION: dict[str, Derivation] = {
    "technique.methodology": lambda g: _first_fact(g, "methodology", "algorithm", "estimator", "model_type", "producer"),
    "technique.optimizes": lambda g: _first_fact(g, "objective", "loss"),
    "technique.third_party": lambda g: list(g.version.manifest.inspection.requirements),
    "dependencies.requirements": lambda g: list(g.version.manifest.inspection.requirements),
    "data.personal_data": _perhaps_personal,
    "assurance.risks": lambda g: [r.model_dump(mode="json") for r in g.version.manifest.inspection.risks],
}

_DERIVED: tuple[tuple[str, dict[str, Derivation]], ...] = (
    ("version", FROM_VERSION),
    ("manifest", FROM_MANIFEST),
    ("status", FROM_STATE),
    ("lineage", FROM_LINEAGE),
    ("git", FROM_GIT),
    ("use case", FROM_USE_CASE),
    ("model", FROM_MODEL),
)
_TYPED_IN = {
    "people.business_owner": "business_owner",
    "governance.tier": "tier",
    "governance.regulatory_class": "regulatory_class",
    "governance.review_at": "review_at",
    "purpose.business_problem": "description",
    "people.technical_owner": "owner",
}
"""Fields that stand at the top of a use case or model; people typed them, so they count as declared."""


def said(given: Given) -> dict[str, Provenanced]:
    """Dotted path to value for everything that the developer said at registration."""
    at, by = given.version.created_at, given.version.developer
    return {
        path: Provenanced(value=say(given), source=Source.DECLARED, by=by, from_="version", at=at) for path, say in SAID.items()
    }


def derived(given: Given) -> dict[str, Provenanced]:
    """Dotted path to value for everything that follows from the records or is suggested by the artifact."""
    at = given.version.created_at
    found = {
        path: Provenanced(value=derive(given), source=Source.INFERRED, by=PLATFORM, from_="inspection", at=at)
        for path, derive in FROM_INSPECTION.items()
    }
    for where, derivations in _DERIVED:
        when = given.state.status_since if where == "status" else at
        for path, derive in derivations.items():
            value = Provenanced(value=derive(given), source=Source.DERIVED, by=PLATFORM, from_=where, at=when)
            found[path] = _typed_in(given, path, value)
    return found


def _typed_in(given: Given, path: str, value: Provenanced) -> Provenanced:
    record = given.model if value.from_ == "model" else given.use_case
    stamp = record.stamps.get(_TYPED_IN.get(path, ""))
    if stamp is None:
        return value
    return value.model_copy(update={"source": Source.DECLARED, "by": stamp.by, "at": stamp.at})


def _described(fields: Iterable[FieldSpec]) -> list[dict[str, Any]]:
    return [f.model_dump(mode="json", exclude_defaults=True) | {"role": f.role.value} for f in fields]


def _source(name: str, purpose: str, uri: str) -> str:
    return f"{name} ({purpose}): {uri}" if uri else f"{name} ({purpose})"


def _period(data: DataReference) -> str:
    """An ISO 8601 interval; an open end is `..`."""
    start, end = (moment.date().isoformat() if moment else ".." for moment in (data.period_from, data.period_to))
    return f"{start}/{end}"


def _first_fact(given: Given, *names: str) -> str | None:
    facts = given.version.manifest.inspection.facts
    return next((str(facts[name]) for name in names if facts.get(name)), None)
