"""Signatures, what models say, and request bodies, from the usual to the malicious."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np
from alike_stage import Player, Said
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.trust.statements import ArmRole, Constant, EndpointPolicy, OnInvalid, OnUnlogged, Protection, RoutingRule

NAMES = ("a", "b", "data", "name", "f0", "100%s", "é\U0001f600", "x.y", "a:b", "%", 'q"\\', "tab\there")
_FLOATS = ("0", "1", "-1", "1.5", "-0.0", "-0", "2e0", "1e-320", "0.1", "65504", "123456789012345678901", "1E+2")
_WHOLE = ("0", "1", "7", "100", "-0")
_TEXTS = (
    '""', '"a"', '"é"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\ufeffx"', '"%s %b %% %(a)s"', '"\\"\\\\\\/"',
    '"\u2028"', '"\\n\x7f"', '"null"',
)  # fmt: skip
VALID: Mapping[DataType, tuple[str, ...]] = {
    **dict.fromkeys(DataType, _WHOLE),
    DataType.INT8: (*_WHOLE, "-128", "127"),
    DataType.INT64: (*_WHOLE, "-9223372036854775808", "9223372036854775807"),
    DataType.UINT64: (*_WHOLE, "9223372036854775807", "9223372036854775808", "18446744073709551615"),
    DataType.FP16: _FLOATS[:10],
    DataType.FP32: (*_FLOATS, "3.4028234663852886e38", "16777217"),
    DataType.FP64: (*_FLOATS, "1.7976931348623157e308", "5e-324", "9007199254740993"),
    DataType.BOOL: ("true", "false"),
    DataType.BYTES: _TEXTS,
}
STRANGE = (
    "null", "true", "1", "1.0", "2e0", "1.5", "2.5", '"1"', "[1]", "[]", "{}", "1e400", "-1e400", "NaN", "-Infinity", "01", "+1",
    "1.", ".5", "1e", "-129", "128", "4294967296", "9223372036854775808", "18446744073709551616", "1" * 400, "9" * 5000,
    '"\\ud800"', '"\\udc00x"', '"\\x41"', '"\t"', "1e39", "65520", "3.5e38", "1.0000000000000000000000001",
    "0.30000000000000000000000000000004", '"a', "undefined", "'a'",
)  # fmt: skip
IDS = (
    '"call-7"', '""', "null", '"%s"', '"é\\u0000\\n\\"\\/"', '"x"',
    "7", '"\\ud800"', '"' + "x" * 1024 + '"', '"' + "x" * 3000 + '"', "[]", '"' + "9" * 20 + '"',
)  # fmt: skip
KEYS = (
    '"alice"', '""', "0", "7", "-1", '"7"',
    "7.0", "7.5", "true", "null", "18446744073709551616", "9" * 5000, '"é"', '"' + "k" * 3000 + '"', '"\\ud800"', "[]", "{}",
)  # fmt: skip
_USUAL_ONES = 6
"""So many of the ids and keys are nothing odd."""
PARAMETERS = (
    "null", "{}", "[]", '"x"', '{"routing_key":"alice","other":1}', '{"routing_keys":["alice"]}', '{"routing_keys":["a","b"]}',
    '{"routing_key":"a","routing_keys":["a"]}', '{"subject":"p"}', '{"event_time":"2026-01-01T00:00:00Z"}',
    '{"event_time":"soon"}', '{"binary_data_output":true}', '{"binary_data_output":false}', '{"timeout":60000000}',
    '{"timeout":null}', '{"timeout":0}', '{"routing_key":"alice","routing_key":"bob"}', '{"routing_key":7,"routing_key":null}',
    '{"Routing_key":"a"}', '{"routing\\u005fkey":"a"}',
)  # fmt: skip
OUTPUTS = ("null", "[]", '[{"name":"o0"}]', '[{"name":"nobody"}]', '[{"name":"o0","parameters":{"binary_data":true}}]', "{}")
TYPES = (
    '"FP32"', '"fp32"', '""', '"FP"', '"FP64"', '"INT64"', '"UINT8"', '"BOOL"', '"BYTES"', '"STRING"',
    "null", "7", '"\\u0046P32"', '"INT\\u00364"', '"FP32 "',
)  # fmt: skip
SHAPES = (
    "[1,1]", "[]", "[0]", "[2]", "[1.0]", "[1e0]", "[true]", "null", "1", "[-1]", "[1,2]", "[1,0]", "[2,1]", "[1,1,2]", "[1,2,1]",
    "[99999999999999999999]", '["1"]', "[[1]]", "[1,]", "[4294967297]", "[ 1 ]",
)  # fmt: skip
ODD_NAMES = ('"z"', '""', "null", "7", '"A"', '"a"', '"\\u0061"', '"b"')
MORE_MEMBERS = (
    ("parameters", "{}"), ("parameters", '{"binary_data_size":4}'), ("extra", "1"), ("", "null"), ("Name", '"a"'), ("place", "0"),
    ("type", '"a"'),
)  # fmt: skip
MORE_OF_REQUESTS = (("extra", "1"), ("model_name", '"x"'), ("Id", '"x"'))


@dataclass
class Tensor:
    """A tensor as it is written: members by name, each a text of JSON."""

    members: list[tuple[str, str]]

    def text(self, space: str) -> str:
        return "{" + f",{space}".join(f'"{name}":{space}{value}' for name, value in self.members) + "}"

    def put(self, name: str, value: str) -> None:
        self.members = [(n, value if n == name else v) for n, v in self.members]


def escaped(text: str) -> str:
    """The same text of JSON, written in numbers."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[i]:02X}{units[i + 1]:02x}" for i in range(0, len(units), 2)) + '"'


@st.composite
def fields(draw: st.DrawFn, calm: bool) -> tuple[FieldSpec, ...]:
    """One to four inputs; calm ones can be taken the quick way."""
    names = draw(st.lists(st.sampled_from(NAMES[:-2] if calm else NAMES), min_size=1, max_size=4, unique=True))
    return tuple(draw(_field(name, calm)) for name in names)


@st.composite
def _field(draw: st.DrawFn, name: str, calm: bool) -> FieldSpec:
    kind = draw(st.sampled_from(list(DataType)) | st.just(DataType.FP32))
    shape = draw(st.sampled_from([(), (), (), (), (1,), (2,), (3,), (2, 2), (0,)][: 8 if calm else 9]))
    more: dict[str, Any] = {"nullable": draw(st.integers(0, 3)) == 0}
    bound = draw(st.integers(0, 5))
    if bound == 0 and kind is not DataType.BYTES:
        more |= {"minimum": 0, "maximum": 100}
    elif bound == 1:
        more["allowed"] = {DataType.BYTES: ("a", "é"), DataType.BOOL: (True,)}.get(kind, (1, 7))
    return FieldSpec(name=name, type=kind, shape=shape, **more)


VALUES: Mapping[str, Any] = {
    "text": "it's",
    "quotes": 'a"b\\',
    "percent": "100% %s %b %(x)s %%",
    "control": "\x00\x1f\n\r\u2028\x7f",
    "half": "\ud800",
    "beyond": "é\U0001f600",
    "long": "x%" * 10_000,
    "one": 1.5,
    "nan": float("nan"),
    "inf": float("-inf"),
    "huge": 2**70,
    "large": 2**64 - 1,
    "least": -(2**63),
    "true": True,
    "none": None,
    "bytes": b"raw",
    "moment": datetime(2026, 1, 1, tzinfo=UTC),
    "exact": Decimal("1.50"),
    "record": {"k": [1, "%s"]},
    "list": [1.5, None],
    "short": [1.0],
    "empty": [],
    "deep": [[1, 2], [3, 4]],
    "object": Ellipsis,
    "scalar": np.float32(0.1),
    "whole": np.int64(7),
    "set": {3},
}
_USUAL = ("one", "text", "true", "none")


@st.composite
def outputs(draw: st.DrawFn, inputs: tuple[FieldSpec, ...], calm: bool) -> tuple[tuple[FieldSpec, ...], Said]:
    """One to three outputs: what came in, or fixed values; and now and then a model that does not keep to them."""
    chosen = draw(st.lists(st.sampled_from(["echo", "echo", "fixed", "number"]), min_size=1, max_size=3))
    names = ["o0", *draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True))]
    specs: list[FieldSpec] = []
    made: dict[str, Said] = {}
    for name, how in zip(names, chosen, strict=False):
        if how == "echo":
            source = draw(st.sampled_from(inputs))
            specs.append(source.model_copy(update={"name": name, "allowed": None}))
            made[name] = _echo(source.name)
        else:
            kind, shape = draw(st.sampled_from(list(DataType))), draw(st.sampled_from([(), (), (2,)]))
            specs.append(FieldSpec(name=name, type=kind, shape=shape))
            if how == "fixed":
                made[name] = _fixed(VALUES[draw(st.sampled_from(_USUAL) | st.sampled_from(list(VALUES)))])
            else:
                made[name] = _number(draw(st.sampled_from([np.nan, np.inf, 0.1, -0.0, 1e300])))
    return tuple(specs), _saying(made, "" if calm else draw(st.sampled_from(list(FAULTS))))


def _refuses(found: Batch, rows: int) -> Batch:
    raise InvalidInput("not for me: 100%", field=next(iter(found)))


def _raises(found: Batch, rows: int) -> Batch:
    raise ValueError("the model fails: 100%")


FAULTS: Mapping[str, Callable[[Batch, int], Batch]] = {
    "raises": _raises,
    "refuses": _refuses,
    "less": lambda found, rows: dict(list(found.items())[1:]),
    "more": lambda found, rows: found | {"besides": np.ones(rows)},
    "turned": lambda found, rows: dict(reversed(found.items())),
    "no rows": lambda found, rows: _first(found, lambda column: column[:0]),
    "few rows": lambda found, rows: _first(found, lambda column: column[: max(1, rows - 1)]),
    "many rows": lambda found, rows: _first(found, lambda column: np.concatenate([column] * 2)),
    "no axis": lambda found, rows: _first(found, lambda column: np.array(1.5)),
    "wide": lambda found, rows: _first(found, lambda column: column.reshape(rows, -1)),
}


def _first(found: Batch, how: Callable[[Any], Any]) -> Batch:
    name = next(iter(found))
    return found | {name: how(found[name])}


def _saying(made: Mapping[str, Said], fault: str = "") -> Said:
    def says(batch: Batch, rows: int) -> Batch:
        found: Batch = {name: make(batch, rows) for name, make in made.items()}
        return FAULTS[fault](found, rows) if fault else found

    return says


def _echo(name: str) -> Any:
    return lambda batch, rows: batch[name]


def _fixed(value: Any) -> Any:
    def make(batch: Batch, rows: int) -> Any:
        found = np.empty(rows, object)
        for place in range(rows):
            found[place] = value
        return found

    return make


def _number(value: float) -> Any:
    return lambda batch, rows: np.full(rows, value, np.float32 if abs(value) < 1e30 else np.float64)


@st.composite
def tensors(draw: st.DrawFn, spec: FieldSpec, oddities: int) -> Tensor:
    """A tensor for a field: right, but for so many odd things."""
    size = prod(spec.shape)
    allowed = VALID[spec.type] if spec.allowed is None else tuple(json.dumps(v) for v in spec.allowed)
    if spec.nullable:
        allowed = (*allowed, "null")
    values = [draw(st.sampled_from(allowed)) for _ in range(size)]
    tensor = Tensor([
        ("name", json.dumps(spec.name, ensure_ascii=False)),
        ("shape", json.dumps([1, *spec.shape])),
        ("datatype", f'"{spec.type.value}"'),
        ("data", f"[{','.join(values)}]"),
    ])  # fmt: skip
    for _ in range(oddities):
        _oddly(draw, tensor, spec, values)
    return tensor


def _oddly(draw: st.DrawFn, tensor: Tensor, spec: FieldSpec, values: list[str]) -> None:
    what = draw(st.sampled_from(["value", "value", "data", "shape", "type", "name", "member", "member", "member", "rows"]))
    flat = ",".join(values)
    if what == "value":
        place = draw(st.integers(0, len(values)))
        tensor.put("data", f"[{','.join([*values[:place], draw(st.sampled_from(STRANGE)), *values[place + 1 :]])}]")
    elif what == "data":
        odd = [f"[[{flat}]]", f"[[[{flat}]]]", flat or "1", "[]", f"[{flat},{flat}]", f"[{flat},]", "null", "{}", f"[{flat}"]
        tensor.put("data", draw(st.sampled_from([*odd, f"[ {flat} ]", "[" + ",".join(f"[{v}]" for v in values) + "]"])))
    elif what == "shape":
        tensor.put("shape", draw(st.sampled_from(SHAPES)))
    elif what == "rows":
        tensor.put("shape", json.dumps([2, *spec.shape]))
        tensor.put("data", f"[{','.join(values * 2)}]")
    elif what == "type":
        tensor.put("datatype", draw(st.sampled_from(TYPES)))
    elif what == "name":
        tensor.put("name", draw(st.sampled_from([escaped(spec.name), *ODD_NAMES])))
    else:
        _odd_member(draw, tensor)


def _odd_member(draw: st.DrawFn, tensor: Tensor) -> None:
    """A member of the tensor that is there twice, should not be there, is missing, or stands elsewhere."""
    what = draw(st.sampled_from(["twice", "twice", "extra", "order", "without"]))
    place = draw(st.integers(0, len(tensor.members)))
    if what == "twice":
        name, value = draw(st.sampled_from(tensor.members))
        other = [value, value, "null", '"b"', '"a"', "[1]", "[2]", '"FP64"', '"INT64"', "[1.5]"]
        tensor.members.insert(place, (name, draw(st.sampled_from(other))))
    elif what == "extra":
        tensor.members.insert(place, draw(st.sampled_from(MORE_MEMBERS)))
    elif what == "order":
        tensor.members = draw(st.permutations(tensor.members))
    elif len(tensor.members) > 1:
        tensor.members.remove(draw(st.sampled_from(tensor.members)))


@st.composite
def bodies(draw: st.DrawFn, inputs: tuple[FieldSpec, ...]) -> bytes:
    """A request for these inputs: right, but for none to three odd things about it."""
    odd = draw(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 1, 2, 3]))
    spoiled = draw(st.integers(0, len(inputs) - 1)) if odd and draw(st.booleans()) else -1
    given = [draw(tensors(spec, odd if place == spoiled else 0)) for place, spec in enumerate(inputs)]
    members = [("inputs", "")]
    if draw(st.booleans()):
        members.append(("id", draw(st.sampled_from(IDS if odd else IDS[:_USUAL_ONES]))))
    key = draw(st.integers(0, 5))
    if key < 3:
        members.append(("parameters", f'{{"routing_key":{draw(st.sampled_from(KEYS if odd else KEYS[:_USUAL_ONES]))}}}'))
    elif key == 3:
        members.append(("parameters", draw(st.sampled_from(PARAMETERS))))
    space = draw(st.sampled_from(["", "", " ", "\r\n\t"]))
    ends = "", ""
    for _ in range(odd if spoiled < 0 else 0):
        ends = _odd_request(draw, members, given, ends)
    text = _list(given, space)
    parts = [f'"{name}":{space}{value or text}' for name, value in members]
    whole = f"{ends[0]}{{{space}{f',{space}'.join(parts)}{space}}}{ends[1]}".encode("utf-8", "surrogatepass")
    return _damaged(draw, whole) if odd == 3 else whole


MORE_BESIDE = (
    ("key", ("key", KEYS)), ("key", ("key", KEYS)), ("subject", ("subject", KEYS)), ("id", ("id", IDS)),
    ("event_time", ("event_time", ('"2026-01-01T12:00:00Z"', '"2026-01-01T00:00:00+02:00"', "null", '"2026-01-01"', '"soon"'))),
    ("outputs", ("outputs", ("null", '["o0"]', '["nobody"]', "[]"))),
)  # fmt: skip
_MEMBERS_OF_RECORDS = (("extra", "1"), ("key", '"x"'), ("inputs", "{}"), ("inputs", "7"), ("records", "[{}]"), ("Id", '"x"'))


@st.composite
def records(draw: st.DrawFn, inputs: tuple[FieldSpec, ...]) -> bytes:
    """A record for these inputs, alone or with what goes beside it: right, but for none to three odd things about it."""
    odd = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 1, 2, 3]))
    spoiled = draw(st.integers(0, len(inputs) - 1)) if odd and draw(st.booleans()) else -1
    members = [(spec.name, draw(_member(spec, place == spoiled))) for place, spec in enumerate(inputs)]
    members = [m for m, spec in zip(members, inputs, strict=True) if not spec.nullable or draw(st.integers(0, 2))]
    beside = [what for _, what in draw(st.lists(st.sampled_from(MORE_BESIDE), max_size=3, unique_by=lambda one: one[0]))]
    around = [(name, draw(st.sampled_from(texts if odd else texts[:_USUAL_ONES]))) for name, texts in beside]
    for _ in range(odd if spoiled < 0 else 0):
        _odd_record(draw, members, around)
    space, escape = draw(st.sampled_from(["", "", " ", "\r\n\t"])), odd and draw(st.booleans())
    text = _object(members, space, bool(escape))
    form = draw(st.sampled_from(["alone", "alone", "beside", "beside", "many", "list"]))
    if form == "beside":
        around.insert(draw(st.integers(0, len(around))), ("inputs", text))
        text = _object(around, space)
    elif form == "many":
        text = _object([*around, ("records", f"[{text}]")], space)
    elif form == "list":
        text = f"[{text}]"
    whole = text.encode("utf-8", "surrogatepass")
    return _damaged(draw, whole) if odd == 3 else whole


@st.composite
def _member(draw: st.DrawFn, spec: FieldSpec, odd: bool) -> str:
    """A field's value: right, unless it should be odd."""
    allowed = VALID[spec.type] if spec.allowed is None else tuple(json.dumps(v) for v in spec.allowed)
    if spec.type is DataType.BYTES and spec.allowed is None:
        allowed = (*allowed, '"12:30:00"', '"a:b"', '"\\u003a"')
    if spec.nullable:
        allowed = (*allowed, "null")
    values = [draw(st.sampled_from(allowed)) for _ in range(prod(spec.shape))]
    if odd and values and draw(st.booleans()):
        values[draw(st.integers(0, len(values) - 1))] = draw(st.sampled_from(STRANGE))
    elif odd:
        values = draw(st.sampled_from([values * 2, values[:-1], [f"[{value}]" for value in values]]))
    return values[0] if not spec.shape and len(values) == 1 else f"[{','.join(values)}]"


def _odd_record(draw: st.DrawFn, members: list[tuple[str, str]], around: list[tuple[str, str]]) -> None:
    what = draw(st.sampled_from(["order", "less", "twice", "twice", "twice around", "unknown", "unknown around"]))
    if what == "order":
        members.reverse()
    elif what == "less" and members:
        members.pop(draw(st.integers(0, len(members) - 1)))
    elif what == "twice" and members:
        name, value = draw(st.sampled_from(members))
        members.insert(draw(st.integers(0, len(members))), (name, draw(st.sampled_from([value, "null", '"a:b"', "0"]))))
    elif what == "twice around" and around:
        around.append(draw(st.sampled_from(around)))
    elif what == "unknown":
        members.append(draw(st.sampled_from(_MEMBERS_OF_RECORDS)))
    elif what == "unknown around":
        around.append(draw(st.sampled_from(_MEMBERS_OF_RECORDS)))


def _object(members: list[tuple[str, str]], space: str, escape: bool = False) -> str:
    named = [(escaped(name) if escape else json.dumps(name, ensure_ascii=False), value) for name, value in members]
    return f"{{{space}{f',{space}'.join(f'{name}:{space}{value}' for name, value in named)}{space}}}"


def _list(given: list[Tensor], space: str) -> str:
    return f"[{','.join(tensor.text(space) for tensor in given)}]"


def _odd_request(draw: st.DrawFn, members: list[tuple[str, str]], given: list[Tensor], ends: tuple[str, str]) -> tuple[str, str]:
    of_tensors, of_members = ["order", "less", "again", "unknown"], ["members", "twice", "twice", "extra", "outputs", "large"]
    what = draw(st.sampled_from([*of_tensors, *of_members, "ends"]))
    if what == "order":
        given.reverse()
    elif what == "less" and given:
        given.pop(draw(st.integers(0, len(given) - 1)))
    elif what == "again" and given:
        given.append(draw(st.sampled_from(given)))
    elif what == "unknown":
        given.append(Tensor([("name", '"unknown"'), ("shape", "[1]"), ("datatype", '"FP32"'), ("data", "[1]")]))
    elif what == "members":
        members.reverse()
    elif what == "twice":
        name, _ = draw(st.sampled_from(members))
        other = {"inputs": ["[]", "null", _list(given, ""), _list(given[:1], "")], "id": list(IDS)}.get(name, list(PARAMETERS))
        members.insert(draw(st.integers(0, len(members))), (name, draw(st.sampled_from(other))))
    elif what == "extra":
        members.insert(draw(st.integers(0, len(members))), draw(st.sampled_from(MORE_OF_REQUESTS)))
    elif what == "outputs":
        members.append(("outputs", draw(st.sampled_from(OUTPUTS))))
    elif what == "large":
        members.append(("id", '"' + "x" * 70_000 + '"'))
    else:
        return draw(st.sampled_from([" ", "", "\ufeff", "[", "\n"])), draw(st.sampled_from([" \n", "x", "{}", "\x00", "]", ","]))
    return ends


def _damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    place = draw(st.integers(0, len(whole)))
    how = draw(st.sampled_from(["cut", "byte", "gone"]))
    if how == "cut":
        return whole[:place]
    piece = draw(st.sampled_from([b"\xff", b"\x00", b"\xed\xa0\x80", b'"', b"\\", b"{", b",", b"0", b"\xc3"]))
    return whole[:place] + (piece if how == "byte" else b"") + whole[place + 1 :]


HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"traceparent": "no"},
    {"traceparent": "a--c-d"},
    {"accept-encoding": "gzip, br"},
    {"accept-encoding": "deflate;q=0.5, gzip;q=0"},
    {"x-timeout-ms": "60000"},
    {"accept": "text/event-stream"},
    {"x-timeout-ms": "0"},
    {"x-timeout-ms": "\u0666\u0660\u0660\u0660\u0660"},
    {"x-timeout-ms": "soon"},
    {"content-encoding": "identity"},
    {"content-encoding": "gzip"},
    {"inference-header-content-length": "7"},
)
CALM_POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"timeout": 5.0},
    {"latency_target": 0.002},
    {"sticky_by": "a"},
    {"protect": {"a": Protection.MASK, "role:predictor": Protection.HASH, "b": Protection.KEEP}},
    {"protect": {"o0": Protection.MASK, "data": Protection.HASH, "role:label": Protection.HASH}},
    {"rules": (RoutingRule(when="a > 1", arm="champion 0 100%s"), RoutingRule(when="b = null", arm="challenger 1 100%s"))},
    {"rules": (RoutingRule(when="1 = 1", arm="challenger 1 100%s"),), "sticky_by": "data"},
)
ODD_POLICIES: tuple[dict[str, Any], ...] = (*CALM_POLICIES, {"concurrency": 4}, {"queue": 3})


class Full(StrEnum):
    """How the log takes nothing."""

    STORAGE = "storage"
    UNWRITABLE = "unwritable"
    BROKEN = "broken"


@dataclass
class World:
    """An endpoint, and requests for it that are under way at the same time. `draws` stands in for chance; `full` says how the log
    fails, if it does."""

    players: list[Player]
    policy: EndpointPolicy
    bodies: list[bytes]
    constant: Constant | None = None
    salt: str = ""
    name: str = "hold"
    draws: int = 0
    full: Full | None = None
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/v2/models/{}/infer"


@st.composite
def worlds(draw: st.DrawFn, most: int = 5) -> World:
    """Three in four are calm: the quick way is open, and what decides is the request."""
    calm = draw(st.integers(0, 3)) > 0
    inputs = draw(fields(calm))
    specs, says = draw(outputs(inputs, calm))
    players = [Player(Signature(inputs=inputs, outputs=specs), says)]
    roles = draw(st.sampled_from([(), (), (ArmRole.CHALLENGER,), (ArmRole.CHALLENGER,) * 2, (ArmRole.FALLBACK,)]))
    for role in roles:
        taken = inputs if calm else draw(st.sampled_from([inputs, inputs[:1], inputs[::-1], tuple(draw(fields(True)))]))
        other = says if taken is inputs and draw(st.booleans()) else _saying({s.name: _fixed(0) for s in specs})
        players.append(Player(Signature(inputs=taken, outputs=specs), other, role))
    live = [player for player in players if player.role is not ArmRole.FALLBACK]
    shares = {1: [1.0], 2: [0.3, 0.7], 3: [0.5, 0.25, 0.25]}[len(live)]
    for player, share in zip(live, draw(st.permutations(shares)), strict=True):
        player.share = share
    path, asked = draw(st.sampled_from([("/v2/models/{}/infer", bodies), ("/decide/{}", records)]))
    return World(
        players,
        draw(_policies(calm)),
        draw(st.lists(asked(inputs), min_size=2, max_size=most)),
        Constant(outputs={spec.name: 0.5 for spec in specs}) if draw(st.booleans()) else None,
        draw(st.sampled_from(["", "pepper"])),
        draw(st.sampled_from(["hold", "100%", "é"])),
        draw(st.integers(0, 2**53 - 1)),
        draw(st.sampled_from([None] * 12 + [Full.STORAGE, Full.UNWRITABLE])),
        draw(st.sampled_from(HEADERS[:6] if calm else HEADERS)),
        path,
    )


@st.composite
def _policies(draw: st.DrawFn, calm: bool) -> EndpointPolicy:
    chosen = {"invalid": draw(st.sampled_from(list(OnInvalid))), "unlogged": draw(st.sampled_from(list(OnUnlogged)))}
    more = draw(st.sampled_from(CALM_POLICIES if calm else ODD_POLICIES))
    return EndpointPolicy(**chosen, **more)
