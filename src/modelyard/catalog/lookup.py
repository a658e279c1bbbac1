"""Finding use cases, models and versions by what people write: a name, `model@3`, `model@latest`, an id or a digest."""

from __future__ import annotations

import re

from modelyard.catalog.model import MODELS, USE_CASES, VERSION_STATES, VERSIONS, Model, UseCase, Version, VersionState
from modelyard.catalog.texts import ID
from modelyard.core.digests import DIGEST
from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.records import Query, R, Table, Transaction, equals, first

LATEST = "latest"
GREATEST_NUMBER = 2**31 - 1


def mine(tx: Transaction, table: Table[R], record_id: str, organisation: str) -> R:
    """The record of that id, if it is the organisation's. Raises NotFound otherwise, and does not tell the two cases apart."""
    record = tx.get(table, record_id)
    if record.organisation != organisation:
        raise NotFound(f"no record {record_id!r} in {table.name}", field="id")
    return record


def find_use_case(tx: Transaction, organisation: str, reference: str) -> UseCase:
    """The use case of that name or id. Raises NotFound."""
    return _named(tx, USE_CASES, organisation, reference, "use case")


def find_model(tx: Transaction, organisation: str, reference: str) -> Model:
    """The model of that name or id. Raises NotFound."""
    return _named(tx, MODELS, organisation, reference, "model")


def find_version(tx: Transaction, organisation: str, reference: str) -> Version:
    """The version of that id, `model@number`, `model@latest` or digest. Raises NotFound, and InvalidInput when a digest is
    that of versions of several models."""
    if re.match(ID, reference):
        return mine(tx, VERSIONS, reference, organisation)
    if DIGEST.match(reference):
        return _of_digest(tx, organisation, reference)
    name, _, number = reference.rpartition("@")
    if not name:
        raise InvalidInput(
            f"{reference!r} names no version", field="version", hint="write model@3, model@latest, an id or a digest"
        )
    model = find_model(tx, organisation, name)
    found = latest_version(tx, model.id) if number == LATEST else _numbered(tx, model, number)
    if found is None:
        raise NotFound(f"model {model.name!r} has no version {number!r}", field="version")
    return found


def state_of(tx: Transaction, version: Version) -> VersionState:
    """What may change about the version: status, stage, tags."""
    return tx.get(VERSION_STATES, version.id)


def latest_version(tx: Transaction, model_id: str) -> Version | None:
    """The version with the highest number, retired or not."""
    items = tx.find(VERSIONS, Query(where=(equals("model_id", model_id),), sort="number", descending=True, limit=1)).items
    return items[0] if items else None


def _numbered(tx: Transaction, model: Model, number: str) -> Version | None:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", number) or int(number) > GREATEST_NUMBER:
        raise InvalidInput(f"{number!r} is not a version's number", field="version", hint="numbers count from 1")
    return first(tx, VERSIONS, equals("model_id", model.id), equals("number", int(number)))


def _of_digest(tx: Transaction, organisation: str, digest: str) -> Version:
    where = (equals("organisation", organisation), equals("manifest_digest", digest))
    items = tx.find(VERSIONS, Query(where=where, limit=2)).items
    if not items:
        raise NotFound(f"no version has the digest {digest}", field="version")
    if len(items) > 1:
        names = ", ".join(v.name for v in items)
        raise InvalidInput("several versions have this digest", field="version", hint=f"name one of them: {names}")
    return items[0]


def _named(tx: Transaction, table: Table[R], organisation: str, reference: str, what: str) -> R:
    if re.match(ID, reference):
        return mine(tx, table, reference, organisation)
    found = first(tx, table, equals("organisation", organisation), equals("name", reference))
    if found is None:
        raise NotFound(f"no {what} named {reference!r}", field=what.replace(" ", "_"))
    return found
