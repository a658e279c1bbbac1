"""What an instance is about: a version, a model or a use case, by what people write; and what the process is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.catalog.lookup import find_model, find_use_case, find_version
from modelyard.catalog.model import USE_CASES, VERSIONS, UseCase
from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.records import Transaction, equals, first
from modelyard.lifecycle.model import Digest

KINDS = ("version", "model", "use_case")


@dataclass(frozen=True)
class About:
    """`id` is the canonical `type:id`, `data` the variables that a process about it begins with, `digest` that of the record."""

    id: str
    name: str
    use_case: str
    tier: str | None
    digest: Digest | None = None
    data: dict[str, Any] = field(default_factory=dict)
    developers: tuple[str, ...] = ()


def find(tx: Transaction, organisation: str, reference: str) -> About:
    """Raises InvalidInput for another form than `type:reference`, NotFound for what is not there."""
    kind, _, name = reference.partition(":")
    if kind not in KINDS or not name:
        raise InvalidInput(
            f"{reference!r} does not say what the life cycle is about",
            field="about",
            hint="write version:MODEL@3, model:NAME or use_case:NAME",
        )
    if kind == "version":
        return _version(tx, organisation, name)
    if kind == "model":
        return _model(tx, organisation, name)
    return _use_case(find_use_case(tx, organisation, name))


def _version(tx: Transaction, organisation: str, name: str) -> About:
    version = find_version(tx, organisation, name)
    about = _use_case(tx.get(USE_CASES, version.use_case_id))
    told = {
        "id": version.id,
        "name": version.name,
        "model": version.model,
        "model_id": version.model_id,
        "number": version.number,
        "developer": version.developer,
        "manifest_digest": version.manifest_digest,
        "kind": version.manifest.kind,
    }
    data = {**about.data, "version": told, "about": f"version:{version.id}"}
    return About(
        f"version:{version.id}", version.name, about.use_case, about.tier, version.manifest_digest, data, (version.developer,)
    )


def _model(tx: Transaction, organisation: str, name: str) -> About:
    model = find_model(tx, organisation, name)
    about = _use_case(find_use_case(tx, organisation, model.use_case))
    told = {"id": model.id, "name": model.name, "kind": model.kind, "owner": model.owner}
    return About(
        f"model:{model.id}",
        model.name,
        about.use_case,
        about.tier,
        model.digest(),
        {**about.data, "model": told, "about": f"model:{model.id}"},
    )


def _use_case(use_case: UseCase) -> About:
    told = {
        "id": use_case.id,
        "name": use_case.name,
        "title": use_case.title,
        "business_owner": use_case.business_owner,
        "revision": use_case.revision,
        "registered_by": use_case.registered_by,
    }
    tier = use_case.tier.value if use_case.tier is not None else None
    data = {"use_case": told, "tier": tier, "about": f"use_case:{use_case.id}"}
    return About(f"use_case:{use_case.id}", use_case.name, use_case.name, tier, use_case.digest(), data)


def meant(data: Mapping[str, Any]) -> str | None:
    """What somebody who begins a process says that it is about, by its variables: `about`, or a record as the process would be
    told of it. What they say of that record is not taken from them."""
    about = data.get("about")
    if isinstance(about, str) and about.partition(":")[0] in KINDS:
        return about
    for kind in KINDS:
        record = data.get(kind)
        if isinstance(record, Mapping) and isinstance(record.get("id"), str):
            return f"{kind}:{record['id']}"
    return None


def come_to_be(tx: Transaction, organisation: str, data: Mapping[str, Any]) -> About | None:
    """What an instance that began about nothing says that it is about by now, in its variable `about`; None while that names
    nothing that is known."""
    reference = data.get("about")
    if not isinstance(reference, str) or reference.partition(":")[0] not in KINDS:
        return None
    try:
        return find(tx, organisation, reference)
    except (NotFound, InvalidInput):
        return None


def of_payload(tx: Transaction, organisation: str, payload: dict[str, Any]) -> About | None:
    """What an event that starts an instance is about, as far as its payload says."""
    for name in ("version_id", "version"):
        value = payload.get(name)
        if isinstance(value, str) and value:
            by = "manifest_digest" if value.startswith("sha256:") else "id"
            found = first(tx, VERSIONS, equals("organisation", organisation), equals(by, value))
            if found is not None:
                return _version(tx, organisation, found.id)
    for name in ("use_case_id", "use_case"):
        value = payload.get(name)
        if isinstance(value, str) and value:
            try:
                return find(tx, organisation, f"use_case:{value}")
            except NotFound:
                continue
    return None


def developers_of(tx: Transaction, organisation: str, about: str | None) -> tuple[str, ...]:
    """Who built it: they are kept from deciding on it, whatever the process says."""
    return find(tx, organisation, about).developers if about else ()
