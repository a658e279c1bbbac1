"""One request on its way through a table: its rows as each model takes them, who answers which, and what the log says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter, time
from typing import Any

from modelyard.core.errors import InvalidInput, ModelyardError
from modelyard.decisions import ColumnObjects, Pseudonyms, Rows
from modelyard.decisions.protection import Cipher
from modelyard.runtime import inputs, protocol
from modelyard.runtime.asked import Asked
from modelyard.runtime.inputs import Columns
from modelyard.runtime.table import LiveSlot, ServedEndpoint, ServingArm, Table

_TO_WAIT = 1000
"""Rows whose inputs are logged as values: a few fewer than the log takes in that form."""

_MOST_FAULTS = 20
"""So many parts at most are made of the rows of a request that do not fit: each is answered, and logged, by itself."""

Bad = dict[int, InvalidInput]
"""Rows that do not fit, by their place, and why."""


@dataclass(frozen=True)
class Hidden:
    """What keeps persons out of the log: pseudonyms for keys and subjects, and the cipher for protected fields."""

    pseudonyms: Pseudonyms
    cipher: Cipher | None = None


@dataclass(slots=True)
class Reasons:
    """Why the drawn arm did not answer: sentences, and the kind of the first (`kind` is what is counted). `kept` says the same
    without any value."""

    told: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    kind: str | None = None
    invalid: InvalidInput | None = None

    def add(self, kind: str, sentence: str, kept: str | None = None) -> None:
        """One more; `kept` where the sentence may have a value in it."""
        self.told.append(sentence)
        self.kept.append(sentence if kept is None else kept)
        self.kind = self.kind or kind

    def __str__(self) -> str:
        return "; ".join(self.told)


@dataclass(slots=True)
class Part:
    """Rows of a request that go one way. `places` is None for all rows; `arm` is None when the constant answered; `kind` is that
    of the reason why a fallback did."""

    places: list[int] | None
    slot: LiveSlot | None
    probability: float
    arm: ServingArm | None
    names: list[str]
    columns: Columns
    count: int
    outputs: dict[str, list[Any]]
    queue_time: float
    reason: str | None
    kind: str | None = None
    kept: str | None = None
    """The reason without any value: what the log says where fields are protected."""


@dataclass(slots=True)
class Draft:
    """Rows before they are answered: the slot they were drawn for (None when there is none), and what is wrong with them."""

    slot: LiveSlot | None
    places: list[int] | None
    probability: float
    wrong: InvalidInput | None = None


Keys = list[str | None] | str | None


@dataclass(slots=True)
class Call:
    """One request, with what all its parts share."""

    table: Table
    endpoint: ServedEndpoint
    asked: Asked
    rows: int
    keys: Keys
    subjects: list[str] | None
    event_times: list[int] | None
    started: float
    read: dict[int, tuple[int, Columns]]
    sifted: dict[int, Bad] = field(default_factory=dict)
    decided: int | None = None
    """When it was decided, in microseconds of the epoch: all rows of the log that are made of it bear this one time."""

    def key(self, place: int) -> str | None:
        """The sticky key of a row."""
        return self.keys[place] if isinstance(self.keys, list) else self.keys

    def columns(self, arm: ServingArm, places: list[int] | None) -> Columns:
        """The rows as the arm's model takes them; read once for all arms that share a model. Raises InvalidInput when one of them
        does not fit."""
        plan = arm.model.plan
        bad = self.sifted.get(id(plan))
        if bad:
            wrong = next((bad[p] for p in (range(self.rows) if places is None else places) if p in bad), None)
            if wrong is not None:
                raise wrong
        if id(plan) not in self.read:
            self.read[id(plan)] = plan.read(self.asked.given)
        rows, columns = self.read[id(plan)]
        if rows != self.rows:
            raise InvalidInput(f"{rows} rows, other inputs have {self.rows}", field="inputs")
        return columns if places is None else inputs.rows_of(columns, places)

    def sift(self, arm: ServingArm) -> Bad:
        """The rows that do not fit the arm's model; the others can be read from now on."""
        plan = arm.model.plan
        if id(plan) not in self.sifted:
            try:
                rows, columns, bad = plan.sift(self.asked.given, self.rows)
                self.read[id(plan)] = rows, columns
            except InvalidInput as error:
                bad = dict.fromkeys(range(self.rows), error)
            self.sifted[id(plan)] = bad
        return self.sifted[id(plan)]

    def fitting(self, arm: ServingArm) -> tuple[Columns, Bad]:
        """All rows as the arm's model takes them, those that do not fit as they came, and which they are. Raises InvalidInput
        when nobody could make rows of them."""
        bad = self.sift(arm)
        if id(arm.model.plan) not in self.read:
            raise bad[0]
        return self.read[id(arm.model.plan)][1], bad

    def told(self, places: list[int] | None) -> tuple[list[str], Columns]:
        """The inputs as they are logged when no model read them. Raises InvalidInput when nobody could make rows of them."""
        contract = self.endpoint.contract
        names: list[str]
        try:
            if contract is None:
                raise InvalidInput("no model is there to read them")
            rows, columns = contract.plan.read(self.asked.given)
            names = contract.plan.names
        except InvalidInput:
            rows, names, columns = inputs.untyped(self.asked.given)
        if rows != self.rows:
            raise InvalidInput(f"{rows} rows, other inputs have {self.rows}", field="inputs")
        return names, columns if places is None else inputs.rows_of(columns, places)


def decision_rows(call: Call, part: Part, ids: Sequence[str], hidden: Hidden, shadow_of: Sequence[str] | None = None) -> Rows:
    """Rows of the decision log for one part of a request. The first ones set its time; what comes later, as a shadow's answer
    does, bears it too: an erasure in between must not leave it behind."""
    if call.decided is None:
        call.decided = int(time() * 1_000_000)
    said: dict[str, Any] = {
        "decision_time": call.decided,
        "reason": part.kept if part.kept is not None and call.endpoint.routes.policy.protect else part.reason,
        "latency": perf_counter() - call.started,
        "queue_time": part.queue_time,
        "request": call.asked.id,
        "trace": call.asked.trace,
    }
    shared = {name: value for name, value in said.items() if value is not None}
    names, columns = part.names, part.columns
    outputs: list[Any] = list(part.outputs.values())
    protector = call.endpoint.protector(part.arm, [*names, *part.outputs], hidden)
    if protector is not None:
        given, columns, outputs = outputs, protector.columns(names, columns), protector.columns(list(part.outputs), outputs)
        for value, kept in zip(given, outputs, strict=True):
            if kept is not value:
                protocol.encode(value)  # what cannot be written must not be logged as if it had been told
    rows: dict[str, Sequence[Any]] = {
        "id": ids,
        "inputs": _inputs(part, names, columns),
        "output": protocol.encode_rows(list(part.outputs), outputs),
    }
    if shadow_of is not None:
        rows["shadow_of"] = shadow_of
    if isinstance(call.keys, list):
        keys = picked(call.keys, part.places)
        units = {key: hidden.pseudonyms.of("unit", key) for key in set(keys) if key is not None}
        rows["unit"] = [units.get(key) for key in keys]
    elif call.keys is not None:
        shared["unit"] = hidden.pseudonyms.of("unit", call.keys)
    if call.subjects is not None:
        persons = picked(call.subjects, part.places)
        known = {who: hidden.pseudonyms.of("subject", who) for who in set(persons)}
        rows["subject"] = [known[who] for who in persons]
    if call.event_times is not None:
        rows["event_time"] = picked(call.event_times, part.places)
    return Rows(part.count, rows, shared, call.endpoint.stamp(call.table, part.slot, part.arm, part.probability))


def _inputs(part: Part, names: list[str], columns: Columns) -> Sequence[bytes]:
    """The inputs as the log takes them: what a model's plan has read can wait for its text until somebody reads it, unless there
    is so much that the text should not be made by the log's own thread."""
    if part.arm is None or columns is not part.columns or part.count > _TO_WAIT:
        return protocol.encode_rows(names, columns)
    return ColumnObjects(tuple(names), columns, part.count)


def fault(call: Call, error: Exception) -> str:
    """The field and the kind of fault, never a value: an error's own text may quote what is protected."""
    if not isinstance(error, ModelyardError):
        return type(error).__name__
    return f"{error.code} at {error.field}" if error.field in call.endpoint.specs else error.code


def faults(bad: Bad, places: Sequence[int]) -> list[tuple[InvalidInput, list[int]]]:
    """Those places with what is wrong with them. Each row has what is said of it and of nobody else; where too many things are
    wrong to be told apart, only the field is said, or that the rows do not fit."""
    for told in (_as_it_is, _of_its_field):
        found: dict[str, tuple[InvalidInput, list[int]]] = {}
        for place in places:
            error = told(bad[place])
            found.setdefault(error.detail, (error, []))[1].append(place)
            if len(found) > _MOST_FAULTS:
                break
        else:
            return list(found.values())
    return [(InvalidInput("the inputs do not fit the signature"), list(places))]


def _as_it_is(error: InvalidInput) -> InvalidInput:
    return error


def _of_its_field(error: InvalidInput) -> InvalidInput:
    return InvalidInput(f"input {error.field!r:.80} is not right", field=error.field)


def picked(values: Sequence[Any], places: list[int] | None) -> Sequence[Any]:
    """The values at those places; all when None."""
    return values if places is None else [values[place] for place in places]
