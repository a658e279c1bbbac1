"""Finds kinds by entry point (group `modelyard.kinds`), so that a kind can live in another distribution.

Nothing here imports a concrete kind by name. A kind that cannot be imported, or that does not fulfil the contract, is reported
with the distribution that brought it; the other kinds go on working.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from modelyard.core.errors import InvalidArtifact, NotFound, TooLarge, Unavailable
from modelyard.kinds.contract import Capability, Inspection, Kind, Policy

GROUP = "modelyard.kinds"


class BrokenKind(Unavailable):
    """An installed kind cannot be used: its import failed or its object does not fulfil the contract."""

    code = "broken_kind"


def names() -> tuple[str, ...]:
    """The names of all installed kinds, sorted; none of them is imported."""
    return tuple(sorted(_entry_points()))


def kind(name: str) -> Kind:
    """The kind of that name. Raises NotFound when none is installed, BrokenKind when it cannot be used."""
    found = _entry_points().get(name)
    if found is None:
        raise NotFound(f"no kind named {name!r} is installed", field="kind", hint=f"known kinds: {', '.join(names())}")
    return _load(found)


def detect(artifact: Path, policy: Policy) -> Inspection:
    """What the first kind that knows the artifact says of it, kinds in order of their names.

    Raises InvalidArtifact with the known formats when no kind knows it, NotFound when there is no such path, and TooLarge
    as soon as a kind says so. A kind that reads the format but finds it corrupt or hostile has the last word. A broken kind
    stands in nobody's way: BrokenKind is raised only when no other kind knows the artifact.
    """
    if not artifact.exists():
        raise NotFound(f"there is no file or folder {artifact.name!r}", field="artifact")
    refusals: list[InvalidArtifact] = []
    formats: list[str] = []
    broken: list[BrokenKind] = []
    for name in names():
        try:
            candidate = kind(name)
            formats.extend(candidate.formats)
            return candidate.inspect(artifact, policy)
        except BrokenKind as error:
            broken.append(error)
        except TooLarge:
            raise
        except InvalidArtifact as refusal:
            refusals.append(refusal)
    raise _unknown(artifact, refusals, formats, broken)


def _unknown(
    artifact: Path, refusals: list[InvalidArtifact], formats: list[str], broken: list[BrokenKind]
) -> InvalidArtifact | BrokenKind:
    recognised = [r for r in refusals if not isinstance(r, UnknownFormat)]
    if recognised:
        return recognised[0]
    if broken:
        return broken[0]
    hint = f"known formats: {', '.join(sorted(set(formats)))}"
    return UnknownFormat(f"no installed kind knows the format of {artifact.name!r}", field="artifact", hint=hint)


class UnknownFormat(InvalidArtifact):
    """The artifact is of none of a kind's formats; raised by `inspect` so that `detect` goes on to the next kind."""

    code = "unknown_format"


@cache  # reading the metadata of every distribution takes milliseconds; what is installed later is seen by the next process
def _entry_points() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        known = found.setdefault(point.name, point)
        if known.value != point.value:
            raise BrokenKind(
                f"two distributions bring a kind named {point.name!r}: {_distribution(known)} and {_distribution(point)}",
                hint="uninstall one of them",
            )
    return found


@cache
def _load(point: EntryPoint) -> Kind:
    where = f"kind {point.name!r} of distribution {_distribution(point)!r} ({point.value})"
    try:
        loaded: object = point.load()
    except Exception as error:  # whatever a stranger's module raises on import is reported with its name
        raise BrokenKind(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    return _checked(loaded, point.name, where)


def _checked(loaded: object, name: str, where: str) -> Kind:
    if not isinstance(loaded, Kind):
        raise BrokenKind(f"{where} does not fulfil the contract of a kind", hint="see docs/how-to/add-a-kind.md")
    if loaded.name != name:
        raise BrokenKind(f"{where} calls itself {loaded.name!r}", hint="name and entry point must agree")
    if Capability.INSPECT not in loaded.capabilities or not loaded.formats:
        raise BrokenKind(f"{where} declares no formats or cannot inspect them")
    return loaded


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"
