"""Two versions side by side, as data: artifact, signature, metrics, environment, recipe and lineage.

`VersionDiff.sections()` gives the same in lines of words, so that a terminal, a web page and a document show the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from modelyard.catalog.locks import Pin, pins
from modelyard.catalog.model import Version
from modelyard.kinds.signature import FieldSpec

Mark = Literal["added", "removed", "changed"]


class Difference(BaseModel):
    """`what` differs: its value before (None: it was not there) and after (None: it is gone)."""

    model_config = ConfigDict(frozen=True)

    what: str
    before: Any = None
    after: Any = None

    @property
    def mark(self) -> Mark:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


class FieldDifference(BaseModel):
    """A field of the signature. `attributes` are those that differ; `moved` says that only its place among the fields does."""

    model_config = ConfigDict(frozen=True)

    side: Literal["inputs", "outputs"]
    field: str
    mark: Mark
    attributes: tuple[Difference, ...] = ()
    moved: bool = False


class MetricDifference(BaseModel):
    """A metric on both sides; `delta` is after minus before. `same_data` says whether they were measured on the same data:
    if not, the delta says little."""

    model_config = ConfigDict(frozen=True)

    name: str
    before: float | None
    after: float | None
    delta: float | None
    same_data: bool


class PackageDifference(BaseModel):
    """A locked distribution. `change` is what happened to it; rehashed means the same version with other files."""

    model_config = ConfigDict(frozen=True)

    name: str
    marker: str
    before: str | None
    after: str | None
    change: Literal["added", "removed", "upgraded", "downgraded", "changed", "rehashed"]


class DiffLine(BaseModel):
    model_config = ConfigDict(frozen=True)

    mark: Mark
    what: str
    before: str = ""
    after: str = ""
    note: str = ""


class DiffSection(BaseModel):
    model_config = ConfigDict(frozen=True)

    title: str
    lines: tuple[DiffLine, ...]


class VersionDiff(BaseModel):
    """What differs between two versions. `packages` is None when a lock's text was not at hand."""

    model_config = ConfigDict(frozen=True)

    before: str
    after: str
    artifact: tuple[Difference, ...]
    signature: tuple[FieldDifference, ...]
    metrics: tuple[MetricDifference, ...]
    environment: tuple[Difference, ...]
    packages: tuple[PackageDifference, ...] | None
    recipe: tuple[Difference, ...]
    lineage: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        parts = (self.artifact, self.signature, self.environment, self.packages, self.recipe, self.lineage)
        return not any(parts) and all(m.delta == 0 and m.same_data for m in self.metrics)

    def sections(self) -> tuple[DiffSection, ...]:
        """The differences in words, by section; sections without a difference are left out."""
        found = (
            DiffSection(title="artifact", lines=tuple(_line(d) for d in self.artifact)),
            DiffSection(title="signature", lines=tuple(_field_line(d) for d in self.signature)),
            DiffSection(title="metrics", lines=tuple(_metric_line(m) for m in self.metrics)),
            DiffSection(title="environment", lines=tuple(_line(d) for d in self.environment)),
            DiffSection(title="packages", lines=tuple(_package_line(p) for p in self.packages or ())),
            DiffSection(title="recipe", lines=tuple(_line(d) for d in self.recipe)),
            DiffSection(title="lineage", lines=tuple(_line(d) for d in self.lineage)),
        )
        return tuple(section for section in found if section.lines)


def diff(before: Version, after: Version, lock_before: str | None = None, lock_after: str | None = None) -> VersionDiff:
    """What changed from one version to another, also of different models. The locks' texts are the caller's to fetch: without
    both, packages are not compared. Raises InvalidInput for a lock that cannot be read."""
    packages = None if lock_before is None or lock_after is None else package_differences(lock_before, lock_after)
    return VersionDiff(
        before=before.name,
        after=after.name,
        artifact=_differences(_artifact(before), _artifact(after)),
        signature=signature_differences(before, after),
        metrics=_metric_differences(before, after),
        environment=_differences(_environment(before), _environment(after)),
        packages=packages,
        recipe=_differences(_recipe(before), _recipe(after)),
        lineage=_differences(_lineage(before), _lineage(after)),
    )


def signature_differences(before: Version, after: Version) -> tuple[FieldDifference, ...]:
    """Field by field, inputs first, in the order of the later version; removed fields at the end of their side."""
    a, b = before.manifest.signature, after.manifest.signature
    return (*_side("inputs", a.inputs, b.inputs), *_side("outputs", a.outputs, b.outputs))


def package_differences(before: str, after: str) -> tuple[PackageDifference, ...]:
    """Package by package and marker by marker, in alphabetic order."""
    was, now = ({(p.name, p.marker): p for p in pins(text)} for text in (before, after))
    found = []
    for name, marker in sorted(was.keys() | now.keys()):
        a, b = was.get((name, marker)), now.get((name, marker))
        if a != b:
            versions = {"before": a.version if a else None, "after": b.version if b else None}
            found.append(PackageDifference(name=name, marker=marker, **versions, change=_change(a, b)))
    return tuple(found)


def _change(a: Pin | None, b: Pin | None) -> Literal["added", "removed", "upgraded", "downgraded", "changed", "rehashed"]:
    if a is None:
        return "added"
    if b is None:
        return "removed"
    if a.version == b.version:
        return "rehashed"
    was, now = _release(a.version), _release(b.version)
    if was is None or now is None or was == now:
        return "changed"
    return "upgraded" if was < now else "downgraded"


def _release(version: str) -> tuple[int, ...] | None:
    """The release segment of a final version (PEP 440) without trailing zeros; None for pre-releases and the like."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", version):
        return None
    parts = [int(part) for part in version.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _side(
    side: Literal["inputs", "outputs"], before: tuple[FieldSpec, ...], after: tuple[FieldSpec, ...]
) -> tuple[FieldDifference, ...]:
    was, now = {f.name: f for f in before}, {f.name: f for f in after}
    place_before = {name: place for place, name in enumerate(n for n in was if n in now)}
    place_after = {name: place for place, name in enumerate(n for n in now if n in was)}
    found = []
    for name, field in now.items():
        if name not in was:
            found.append(FieldDifference(side=side, field=name, mark="added", attributes=_differences({}, _facts(field))))
            continue
        attributes = _differences(_facts(was[name]), _facts(field))
        moved = place_before[name] != place_after[name]
        if attributes or moved:
            found.append(FieldDifference(side=side, field=name, mark="changed", attributes=attributes, moved=moved))
    found += [FieldDifference(side=side, field=name, mark="removed") for name in was if name not in now]
    return tuple(found)


def _facts(field: FieldSpec) -> dict[str, Any]:
    return field.model_dump(mode="json", exclude={"name"})


def _metric_differences(before: Version, after: Version) -> tuple[MetricDifference, ...]:
    found = []
    for name in sorted(before.metrics.keys() | after.metrics.keys()):
        a, b = before.metrics.get(name), after.metrics.get(name)
        delta = b.value - a.value if a is not None and b is not None else None
        same_data = a is not None and b is not None and _measured_on(before, a.data) == _measured_on(after, b.data)
        found.append(
            MetricDifference(
                name=name, before=a.value if a else None, after=b.value if b else None, delta=delta, same_data=same_data
            )
        )
    return tuple(found)


def _measured_on(version: Version, name: str) -> tuple[str, str | None]:
    digest = next((d.digest for d in version.data if d.name == name), None)
    return (name, digest)


def _artifact(version: Version) -> dict[str, Any]:
    manifest = version.manifest
    facts: dict[str, Any] = {"kind": manifest.kind}
    for name, part in (("artifact", manifest.artifact), ("serving", manifest.serving)):
        facts |= {f"{name}.{key}": getattr(part, key) for key in ("digest", "format", "size")}
    return facts


def _environment(version: Version) -> dict[str, Any]:
    named = {re.split(r"[^A-Za-z0-9._-]", r, maxsplit=1)[0]: r for r in version.manifest.inspection.requirements}
    return {"lock": version.environment_lock} | {f"needs {name}": requirement for name, requirement in named.items()}


def _recipe(version: Version) -> dict[str, Any]:
    recipe = version.recipe
    if recipe is None:
        return {}
    facts = {"command": " ".join(recipe.command), "environment_lock": recipe.environment_lock, "python": recipe.python or None}
    return facts | {f"parameters.{name}": value for name, value in recipe.parameters.items()}


def _lineage(version: Version) -> dict[str, Any]:
    facts: dict[str, Any] = {f"parent {parent}": parent for parent in version.parents}
    for reference in version.data:
        plain = reference.model_dump(mode="json", exclude={"name", "purpose"}, exclude_defaults=True)
        label = f"data {reference.name} ({reference.purpose})"
        facts |= {f"{label}.{key}": value for key, value in plain.items()} or {label: "named"}
    if version.git is not None:
        facts |= {f"git.{key}": value for key, value in version.git.model_dump(mode="json").items() if value not in ("", 0)}
    return facts


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    names = dict.fromkeys((*before, *after))
    return tuple(
        Difference(what=name, before=before.get(name), after=after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def _words(value: Any) -> str:
    return "" if value is None else str(value)


def _line(difference: Difference) -> DiffLine:
    before, after = _words(difference.before), _words(difference.after)
    return DiffLine(mark=difference.mark, what=difference.what, before=before, after=after)


def _field_line(difference: FieldDifference) -> DiffLine:
    said = [f"{d.what}: {_words(d.before) or '-'} → {_words(d.after) or '-'}" for d in difference.attributes]
    note = "; ".join([*said, "moved"] if difference.moved else said)
    return DiffLine(mark=difference.mark, what=f"{difference.side}.{difference.field}", note=note)


def _metric_line(metric: MetricDifference) -> DiffLine:
    difference = Difference(what=metric.name, before=metric.before, after=metric.after)
    delta = "" if metric.delta is None else f"{metric.delta:+.6g}"
    note = delta if metric.same_data or metric.delta is None else f"{delta} (measured on other data)"
    return _line(difference).model_copy(update={"note": note})


def _package_line(package: PackageDifference) -> DiffLine:
    marks: dict[str, Mark] = {"added": "added", "removed": "removed"}
    marker = f" ; {package.marker}" if package.marker else ""
    return DiffLine(
        mark=marks.get(package.change, "changed"),
        what=package.name + marker,
        before=package.before or "",
        after=package.after or "",
        note=package.change,
    )
