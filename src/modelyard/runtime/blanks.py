"""Answers with places for what differs from request to request. Each is written once, by the form that callers ask in: what is
filled in later cannot differ from what that form would write."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import msgspec

from modelyard.kinds.signature import FieldSpec
from modelyard.runtime.asked import Asked, Column, Form, Said
from modelyard.runtime.forms import DECIDE, DEFAULT
from modelyard.runtime.forms.decide import for_one
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.protocol import Group
from modelyard.runtime.usual import Reader, TensorReader, record_reader


@dataclass(frozen=True)
class Face:
    """A form in which the usual request comes: its path for an endpoint, who reads it, and how its answer tells the request's id.
    `named` says that there is always one, the decision's where the request has none; else it is left out then."""

    prefix: str
    suffix: str
    form: Form
    reader: Callable[[InputPlan], Reader | None]
    asked: Asked
    named: bool

    def path(self, endpoint: str) -> str:
        """Where it comes."""
        return f"{self.prefix}{endpoint}{self.suffix}"


FACES = (
    Face("/v2/models/", "/infer", DEFAULT, TensorReader, Asked({}, 1), True),
    Face("/decide/", "", DECIDE, record_reader, for_one(), False),
)


class Blank:
    """An answer of one arm in one form."""

    def __init__(self, face: Face, endpoint: str, group: Group, epoch: int, columns: Sequence[FieldSpec], unlogged: bool) -> None:
        self._named = face.named
        mark = secrets.token_hex(16)
        marks = [f"{mark}-{place}" for place in range(len(columns))]
        given = [
            Column(spec.name, spec.type.value, spec.shape, [[text] if spec.shape else text])
            for spec, text in zip(columns, marks, strict=True)
        ]
        said = Said(endpoint, group.version, f"{mark}-id", [f"{mark}-decision"], [group], epoch, 1, given, unlogged)
        body = face.form.write(said, replace(face.asked, id=said.id))[1].replace(b"%", b"%%")
        identity = f'"{mark}-id"' if face.named else f',"id":"{mark}-id"'
        texts = [f'["{text}"]' if spec.shape else f'"{text}"' for spec, text in zip(columns, marks, strict=True)]
        places = [place.encode() for place in (identity, f"{mark}-decision", *texts)]
        order = sorted(range(len(places)), key=lambda number: body.index(places[number]))
        self._order = None if order == list(range(len(places))) else itemgetter(*order)
        for place in places:
            body = body.replace(place, b"%b")
        self._body: bytes = body

    def filled(self, identity: str | None, decision: str, texts: Iterable[bytes]) -> bytes:
        """The answer with the request's id, the decision's, and a text for each output."""
        decided = decision.encode()
        if self._named:
            called = msgspec.json.encode(identity) if identity else b'"' + decided + b'"'
        else:
            called = b"" if identity is None else b',"id":' + msgspec.json.encode(identity)
        parts = (called, decided, *texts)
        answer: bytes = self._body % (parts if self._order is None else self._order(parts))
        return answer
