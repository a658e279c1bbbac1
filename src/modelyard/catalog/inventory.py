"""The inventory record of a version: every field that regulators ask for, each with where its value came from.

What can be derived is never asked for. For each field the most specific word counts, in this order: what other rooms
contribute (approvals, incidents, results), what was said of the version after its registration and at it, what its model and
its use case declare, what follows from the version's own records, what its artifact suggests.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from modelyard.catalog.derivations import Given, derived, said
from modelyard.catalog.lookup import state_of
from modelyard.catalog.model import (
    ANNOTATIONS,
    LINEAGE,
    MODELS,
    USE_CASES,
    VERSIONS,
    Annotation,
    Model,
    Provenanced,
    Source,
    UseCase,
    Version,
)
from modelyard.catalog.ports import Contributor
from modelyard.catalog.profile import SECTIONS, stated
from modelyard.core.errors import InvalidInput
from modelyard.core.records import Transaction, equals, every, first

INVENTORY: dict[str, tuple[str, ...]] = {
    "identity": (
        "id", "name", "kind", "version", "previous_version", "digest", "status", "status_since", "stages", "tags", "use_case"
    ),
    "purpose": (
        "business_problem", "products", "intended_use", "out_of_scope_uses", "affected_persons", "expected_volume",
        "actual_volume", "restrictions",
    ),
    "people": (
        "business_owner", "technical_owner", "developer", "validator", "approvers", "organisation", "vendor"
    ),
    "technique": (
        "methodology", "assumptions", "optimizes", "trade_offs", "third_party", "predetermined_changes", "compute", "recipe"
    ),
    "data": (
        "sources", "provenance", "licences", "schema", "protected_fields", "personal_data", "periods", "rows", "digests"
    ),
    "dependencies": (
        "upstream_models", "upstream_data", "downstream_models", "downstream_consumers", "environment_lock", "requirements",
        "python", "operating_system", "hardware", "code",
    ),
    "outputs": ("outputs", "intended_use", "automation", "reversibility", "fallback"),
    "assurance": (
        "validations", "validation_due", "valid_until", "metrics", "metric_rationale", "subgroup_results", "limitations",
        "known_biases", "security_tests", "risks", "findings", "exceptions",
    ),
    "operation": (
        "human_oversight", "logging", "decision_retention_days", "document_retention_days", "monitoring_plan", "thresholds",
        "incidents", "retraining_policy", "rollback_target",
    ),
    "governance": (
        "tier", "tier_inputs", "regulatory_class", "review_at", "approvals", "attestations", "changes", "standards"
    ),
    "value": (
        "kpis", "cost_matrix", "formula", "baseline", "target", "realised", "running_cost", "retired_at", "retired_reason"
    ),
}  # fmt: skip
"""The record's sections and fields. Those that nothing fills stay empty and count as missing."""


class InventoryRow(BaseModel):
    """One field of the record as a line of a table; `value` is JSON unless it is text."""

    model_config = ConfigDict(frozen=True)

    version: str
    section: str
    field: str
    value: str
    source: str
    by: str
    from_: str
    at: str


class InventoryRecord(BaseModel):
    """Section, field, value. A field without a value is None."""

    model_config = ConfigDict(frozen=True)

    version_id: str
    version: str
    sections: dict[str, dict[str, Provenanced | None]]

    def field(self, path: str) -> Provenanced | None:
        """The field at `section.field`. Raises InvalidInput for one that the inventory does not have."""
        section, _, name = path.partition(".")
        if name not in self.sections.get(section, {}):
            raise InvalidInput(f"the inventory has no field {path!r}", field=path)
        return self.sections[section][name]

    def missing(self) -> tuple[str, ...]:
        """The dotted paths of the fields that nobody filled, in the record's order."""
        return tuple(f"{section}.{name}" for section, name, value in self._fields() if value is None)

    def export(self) -> dict[str, Any]:
        """The record as JSON, missing fields as null."""
        return self.model_dump(mode="json", by_alias=True)

    def rows(self) -> tuple[InventoryRow, ...]:
        """One line for every field, missing ones included, for tables and spreadsheets."""
        return tuple(_row(self.version, section, name, value) for section, name, value in self._fields())

    def _fields(self) -> Iterator[tuple[str, str, Provenanced | None]]:
        for section, fields in self.sections.items():
            for name, value in fields.items():
                yield section, name, value


def inventory(tx: Transaction, version_id: str, contributors: Sequence[Contributor] = ()) -> InventoryRecord:
    """The record of a version. Raises NotFound, and InvalidInput when a contributor fills a field that does not exist."""
    version = tx.get(VERSIONS, version_id)
    model, use_case = tx.get(MODELS, version.model_id), tx.get(USE_CASES, version.use_case_id)
    layers: list[Mapping[str, Provenanced]] = [contribute(tx, version) for contribute in contributors]
    given = _given(tx, version, model, use_case)
    layers += [_annotated(tx, version), said(given), _declared(model, "model"), _declared(use_case, "use case"), derived(given)]
    return InventoryRecord(version_id=version.id, version=version.name, sections=_merged(layers))


def as_csv(records: Sequence[InventoryRecord]) -> str:
    """The rows of all records as CSV (RFC 4180) with a header. Cells that a spreadsheet would run as a formula are quoted with
    an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([name.rstrip("_") for name in InventoryRow.model_fields])
    for record in records:
        writer.writerows([_inert(cell) for cell in row.model_dump().values()] for row in record.rows())
    return out.getvalue()


def _merged(layers: Sequence[Mapping[str, Provenanced]]) -> dict[str, dict[str, Provenanced | None]]:
    merged: dict[str, dict[str, Provenanced | None]] = {s: dict.fromkeys(names) for s, names in INVENTORY.items()}
    for layer in reversed(layers):
        for path, value in layer.items():
            section, _, name = path.partition(".")
            if name not in merged.get(section, {}):
                raise InvalidInput(f"the inventory has no field {path!r}", field=path)
            if value.value not in (None, "", [], {}, ()):
                merged[section][name] = value
    return merged


def _annotated(tx: Transaction, version: Version) -> dict[str, Provenanced]:
    """The latest word on each field; an empty one takes the earlier one back."""
    latest: dict[str, Annotation] = {}
    for note in sorted(every(tx, ANNOTATIONS, equals("version_id", version.id)), key=lambda n: (n.created_at, n.id)):
        latest[note.field] = note
    return {
        path: Provenanced(value=n.value, source=Source.DECLARED, by=n.by, from_="version", at=n.created_at)
        for path, n in latest.items()
    }


def _declared(record: UseCase | Model, where: str) -> dict[str, Provenanced]:
    sections = {name: getattr(record, name, None) for name in SECTIONS}
    stamps = record.stamps
    return {
        path: Provenanced(
            value=value,
            source=Source.DECLARED,
            by=stamps[path].by if path in stamps else "",
            from_=where,
            at=stamps[path].at if path in stamps else None,
        )
        for path, value in stated(sections)
    }


def _given(tx: Transaction, version: Version, model: Model, use_case: UseCase) -> Given:
    previous = first(tx, VERSIONS, equals("model_id", model.id), equals("number", version.number - 1))
    children = [tx.get(VERSIONS, edge.child) for edge in every(tx, LINEAGE, equals("parent", version.id))]
    return Given(
        version=version,
        state=state_of(tx, version),
        model=model,
        use_case=use_case,
        previous=previous,
        parents=tuple(tx.get(VERSIONS, parent) for parent in version.parents),
        children=tuple(children),
    )


def _row(version: str, section: str, name: str, value: Provenanced | None) -> InventoryRow:
    if value is None:
        return InventoryRow(version=version, section=section, field=name, value="", source="", by="", from_="", at="")
    plain = value.model_dump(mode="json")
    text = plain["value"] if isinstance(plain["value"], str) else json.dumps(plain["value"], ensure_ascii=False, sort_keys=True)
    at = plain["at"] or ""
    return InventoryRow(
        version=version, section=section, field=name, value=text, source=value.source, by=value.by, from_=value.from_, at=at
    )


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
