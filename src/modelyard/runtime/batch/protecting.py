"""What the decision log of a batch may not hold in clear, as its endpoint's policy says: by field, or by the field's role."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.decisions import Pseudonyms, exclusive, write_atomically
from modelyard.decisions.packing import same
from modelyard.decisions.protection import Cipher, Protector
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime.batch.model import Place
from modelyard.trust.statements import EndpointPolicy, Protection


def protections(policy: EndpointPolicy, specs: Iterable[FieldSpec]) -> dict[str, Protection]:
    """What is done to which fields; those that are kept are left out. Where arms give a field different roles, the strongest
    protection counts for all of them."""
    found: dict[str, Protection] = {}
    for spec in specs:
        how = policy.protection(spec.name, spec.role.value)
        if how.strength > found.get(spec.name, Protection.KEEP).strength:
            found[spec.name] = how
    return found


def data_key(place: Place) -> str:
    """The keys of the file given, or those of the home, made when there are none: the runtime of the same home has the same."""
    if place.data_key_file is not None:
        return place.data_key_file.read_text()
    path: Path = place.home / "data.key"
    with exclusive(path.with_suffix(".lock")):
        if not path.exists():
            write_atomically(path, secrets.token_hex(32).encode(), mode=0o600)
    return path.read_text()


class Shield:
    """Makes columns fit for the log. Safe for several threads."""

    def __init__(self, how: Mapping[str, Protection], pseudonyms: Pseudonyms, place: Place) -> None:
        cipher = Cipher.from_text(data_key(place)) if Protection.ENCRYPT in how.values() else None
        self._how = how
        self._protector = Protector.of({name: protection.value for name, protection in how.items()}, pseudonyms, cipher)

    def columns(self, columns: dict[str, Any], count: int) -> dict[str, Any]:
        """The Arrow columns of so many rows as they may be logged. Their types are the same for any values."""
        return {name: self._column(name, values, count) for name, values in columns.items()}

    def _column(self, name: str, values: Any, count: int) -> Any:
        if name not in self._how or self._protector is None:
            return values
        if self._how[name] is Protection.MASK:
            return same(None, pa.string(), count)
        (changed,) = self._protector.columns([name], [_plain(values)])
        return pa.array(changed, pa.string())


def _plain(values: Any) -> list[Any]:
    """The values as callers write them: a float of 32 bits is as short as it reads back the same, so that 0.1 has one hash
    whether it was asked online or in a batch. NaN is a missing value."""
    if pa.types.is_fixed_size_list(values.type):
        flat, size = _plain(values.flatten()), values.type.list_size
        return [flat[at : at + size] for at in range(0, len(flat), size)]
    if not pa.types.is_floating(values.type):
        return list(values.to_pylist())
    texts = pc.if_else(pc.is_finite(values), pc.cast(values, pa.string()), pa.scalar(None, pa.string())).to_pylist()
    return [None if text is None else float(text) for text in texts]
