"""What is kept of an instance between steps, and its JSON (format 1).

A state is where the tokens are, what they wait for, and the variables of the scopes; of the past only what compensation needs. It
is immutable: a step makes a new one that shares with the old what did not change. Records refer to each other by id, never by
object.

Values in JSON: null, booleans, strings, lists and contexts are themselves; whole numbers are numbers; every other value is an
object of one entry, so that saving and loading are exact: `{"$number": "1.50"}`, `{"$date": "2026-01-31"}`, `$time`, `$dateTime`,
`$duration` (both kinds), `{"$range": [low, high, low closed, high closed, operator]}`. A context that itself has a name beginning
with `$` is `{"$context": {...}}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from modelyard.bpmn.errors import InvalidState
from modelyard.dmn import Date, DateTime, DaysTime, Range, Time, YearsMonths
from modelyard.dmn.feel.temporal import parse_date, parse_date_time, parse_duration, parse_time

FORMAT = 1
STATUSES = ("running", "completed", "terminated", "cancelled", "failed")


@dataclass(slots=True)
class Token:
    """`element` is the node where it is, `scope` the scope instance. `at` says what it does there:

    `work` (its task is being done), `event` (it waits at an event, an event-based gateway or a receive task), `body` (its
    sub-process runs in the scope `child`), `loop` (the turns of its activity run in the scope `child`), `join` (it came by `flow`
    to a gateway that waits for others), `undo` (it waits for the compensations of `plan`), `incident`. Between steps it is never
    `moving`. `data` are variables of its activity alone. `turn` counts the instances of a loop from 1. `undoes` is the token that
    waits for this one, which compensates."""

    id: str
    element: str
    scope: str
    at: str = "moving"
    flow: str | None = None
    child: str | None = None
    turn: int | None = None
    undoes: str | None = None
    incident: str | None = None
    waits: tuple[str, ...] = ()
    data: dict[str, Any] | None = None
    plan: tuple[Any, ...] = ()

    def copy(self) -> Token:
        return Token(
            self.id, self.element, self.scope, self.at, self.flow, self.child, self.turn, self.undoes, self.incident, self.waits,
            self.data, self.plan,
        )  # fmt: skip


@dataclass(slots=True)
class ScopeState:
    """An instance of the body of `element` (`kind`: `process`, `body`, `event` for an event sub-process, `loop` for what is
    around the turns of one activity, `undo` for a sub-process that ended and is compensated). `holder` is the token of the scope
    around it. `waits` are those of its event sub-processes. `joins` are the tokens that wait, by gateway and flow.

    `done` are the activities that ended and can be compensated, in that order: (element, variables, those inside it). `left`
    counts the turns that are still to begin, `items` what they are of, `outputs` what came of each."""

    id: str
    element: str
    kind: str
    parent: str | None = None
    holder: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, None] = field(default_factory=dict)
    waits: tuple[str, ...] = ()
    joins: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    done: tuple[Any, ...] = ()
    turns: int = 0
    finished: int = 0
    total: int | None = None
    items: list[Any] | None = None
    outputs: list[Any] | None = None

    def copy(self) -> ScopeState:
        return ScopeState(
            self.id, self.element, self.kind, self.parent, self.holder, self.data.copy(), self.tokens.copy(), self.waits,
            self.joins.copy(), self.done, self.turns, self.finished, self.total, self.items,
            None if self.outputs is None else self.outputs.copy(),
        )  # fmt: skip


@dataclass(slots=True)
class Wait:
    """What is expected from outside: `kind` is `work`, `timer`, `message`, `signal` or `condition`; its id is that of the work,
    the timer or the subscription. `element` is the node that goes on (a task, an event), `definition` which of its event
    definitions. It belongs to a `token`, or for the start of an event sub-process to a `scope`.

    `due` is a timer's ISO time, `every` a cycle's duration, `left` how often it is to fire yet (None without end). `held`: the
    condition was true when it was last asked."""

    id: str
    kind: str
    element: str
    token: str | None = None
    scope: str | None = None
    definition: int = 0
    name: str | None = None
    key: str | None = None
    due: str | None = None
    every: str | None = None
    left: int | None = None
    held: bool = False

    def copy(self) -> Wait:
        return Wait(
            self.id, self.kind, self.element, self.token, self.scope, self.definition, self.name, self.key, self.due, self.every,
            self.left, self.held,
        )  # fmt: skip


@dataclass(slots=True)
class IncidentState:
    """`step` is what failed and what a retry does again; `data` what that step was given."""

    id: str
    token: str
    element: str
    cause: str
    message: str
    step: str
    data: dict[str, Any] | None = None

    def copy(self) -> IncidentState:
        return IncidentState(self.id, self.token, self.element, self.cause, self.message, self.step, self.data)


@dataclass(frozen=True, slots=True)
class State:
    """An instance. `definition` is the digest of the file, `process` the id of the process in it, `counter` the last id given."""

    definition: str
    process: str
    status: str = "running"
    counter: int = 0
    root: str = ""
    tokens: dict[str, Token] = field(default_factory=dict)
    scopes: dict[str, ScopeState] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    incidents: dict[str, IncidentState] = field(default_factory=dict)

    @property
    def data(self) -> Mapping[str, Any]:
        """The variables of the process."""
        return self.scopes[self.root].data


# --- saving ---------------------------------------------------------------------------------------------------------------------


def dumps(state: State) -> str:
    """The state as JSON of the present format. The same state always gives the same text."""
    document = {
        "format": FORMAT,
        "definition": state.definition,
        "process": state.process,
        "status": state.status,
        "counter": state.counter,
        "root": state.root,
        "tokens": [_record(token, _TOKEN) for token in state.tokens.values()],
        "scopes": [_record(scope, _SCOPE) for scope in state.scopes.values()],
        "waits": [_record(wait, _WAIT) for wait in state.waits.values()],
        "incidents": [_record(incident, _INCIDENT) for incident in state.incidents.values()],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), check_circular=False)


Defaults = tuple[tuple[str, Any], ...]
_VALUES = frozenset({"data", "items", "outputs"})
"""The fields that hold values of FEEL."""
_COMPENSATION = frozenset({"plan", "done"})


def _defaults(record: type) -> Defaults:
    """Field names with what need not be written."""
    empty: dict[str, Any] = {"data": {}, "tokens": {}, "joins": {}}
    found: list[tuple[str, Any]] = []
    for each in fields(record):
        default = each.default if isinstance(each.default, (str, int, bool, tuple, type(None))) else empty.get(each.name, _NONE)
        found.append((each.name, default))
    return tuple(found)


_NONE = object()


def _record(record: Any, defaults: Defaults) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for name, default in defaults:
        value = getattr(record, name)
        if value == default:
            continue
        if name in _VALUES:
            value = encoded(value)
        elif name == "tokens":
            value = list(value)
        elif name in _COMPENSATION:
            value = [_entry(entry) for entry in value]
        written[name] = value
    return written


def _entry(entry: Any) -> list[Any]:
    element, data, inner = entry
    return [element, encoded(data), [_entry(each) for each in inner]]


def encoded(value: Any) -> Any:
    """A value of FEEL as JSON that `decoded` gives back exactly. Raises InvalidState for a function, which cannot be kept."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is Decimal:
        whole = value.as_tuple().exponent == 0 and not (value.is_signed() and value == 0)
        return int(value) if whole else {"$number": str(value)}
    if kind is list:
        return [encoded(item) for item in value]
    if kind is dict:
        made = {name: encoded(item) for name, item in value.items()}
        return {"$context": made} if any(name[:1] == "$" for name in made) else made
    tag = _TAGS.get(kind)
    if tag is not None:
        return {tag: str(value)}
    if kind is Range:
        return {"$range": [encoded(value.low), encoded(value.high), value.low_closed, value.high_closed, value.operator]}
    raise InvalidState(f"a {kind.__name__} cannot be kept in a state")


_TAGS: dict[type, str] = {Date: "$date", Time: "$time", DateTime: "$dateTime", DaysTime: "$duration", YearsMonths: "$duration"}


# --- loading --------------------------------------------------------------------------------------------------------------------


def loads(text: str | bytes, definition: str | None = None) -> State:
    """The state that `dumps` wrote, of any format up to this one. With `definition`, of that digest only.

    Raises InvalidState for what is damaged, of a later format or of another definition."""
    try:
        document = json.loads(text, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise InvalidState(f"this is no JSON of a state: {error}") from error
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise InvalidState("this is no state of a process instance")
    document = _upcast(document)
    try:
        state = _read(document)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation, RecursionError) as error:
        raise InvalidState(f"the state is damaged: {type(error).__name__}: {error}") from error
    _check(state)
    if definition is not None and state.definition != definition:
        raise InvalidState(f"the state is of the definition {state.definition:.12}…, not of {definition:.12}…")
    return state


def _no_float(text: str) -> Any:
    raise ValueError(f"the number {text} is not written so in a state")


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[int, Upcaster] = {}
"""From each earlier format to the next."""


def _upcast(document: dict[str, Any]) -> dict[str, Any]:
    found = document["format"]
    if not 1 <= found <= FORMAT:
        raise InvalidState(f"the state is of format {found}, and this program knows formats 1 to {FORMAT}")
    for number in range(found, FORMAT):
        document = UPCASTERS[number](document)
    return document


def _read(document: dict[str, Any]) -> State:
    return State(
        definition=_text(document["definition"]),
        process=_text(document["process"]),
        status=_text(document["status"]),
        counter=_count(document["counter"]),
        root=_text(document["root"]),
        tokens=_records(document["tokens"], _token),
        scopes=_records(document["scopes"], _scope),
        waits=_records(document["waits"], _wait),
        incidents=_records(document["incidents"], lambda entry: IncidentState(**_with_values(entry))),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r:.40} is no count")
    return value


_KINDS: dict[str, type] = {
    **dict.fromkeys(("turn", "turns", "finished", "total", "definition", "left"), int),
    **dict.fromkeys(("waits", "tokens", "plan", "done", "items", "outputs"), list),
    **dict.fromkeys(("data", "joins"), dict),
    "held": bool,
}
"""Of what type the fields are in JSON; the others are texts."""


def _typed(entry: dict[str, Any]) -> dict[str, Any]:
    for name, value in entry.items():
        if value is not None and type(value) is not _KINDS.get(name, str):
            raise TypeError(f"{name} is {value!r:.40}")
    return entry


def _records(entries: list[dict[str, Any]], read: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    found = [read(_typed(entry)) for entry in entries]
    made = {_text(record.id): record for record in found}
    if len(made) != len(found):
        raise ValueError("two records have the same id")
    return made


def _with_values(entry: dict[str, Any]) -> dict[str, Any]:
    for name in _VALUES & entry.keys():
        entry[name] = decoded(entry[name])
    return entry


def _token(entry: dict[str, Any]) -> Token:
    made = Token(**_with_values(entry))
    made.waits, made.plan = tuple(made.waits), _entries(made.plan)
    return made


def _wait(entry: dict[str, Any]) -> Wait:
    made = Wait(**entry)
    if made.due is not None and datetime.fromisoformat(made.due).tzinfo is None:
        raise ValueError(f"{made.due} says no offset")
    if made.every is not None and parse_duration(made.every) is None:
        raise ValueError(f"{made.every!r:.40} is no duration")
    return made


def _scope(entry: dict[str, Any]) -> ScopeState:
    made = ScopeState(**_with_values(entry))
    made.tokens = dict.fromkeys(made.tokens)
    made.waits, made.done = tuple(made.waits), _entries(made.done)
    made.joins = {gateway: {flow: tuple(tokens) for flow, tokens in flows.items()} for gateway, flows in made.joins.items()}
    return made


def _entries(entries: Any) -> tuple[Any, ...]:
    return tuple((_text(element), decoded(data), _entries(inner)) for element, data, inner in entries)


def decoded(value: Any) -> Any:
    """The value of which `encoded` gave the JSON. Raises ValueError, TypeError, InvalidOperation for what it cannot have
    given."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return Decimal(value)
    if kind is list:
        return [decoded(item) for item in value]
    if kind is not dict:
        raise TypeError(f"{value!r:.40} is no value")
    tag = next(iter(value), "")
    if tag[:1] != "$":
        return {name: decoded(item) for name, item in value.items()}
    return _untagged(tag, value)


def _untagged(tag: str, value: dict[str, Any]) -> Any:
    if len(value) != 1:
        raise ValueError(f"{tag} stands beside other names")
    inner = value[tag]
    if tag == "$context":
        return {name: decoded(item) for name, item in inner.items()}
    if tag == "$range":
        low, high, *rest = inner
        return Range(decoded(low), decoded(high), *rest)
    made = _PARSERS[tag](inner)
    if made is None:
        raise ValueError(f"{inner!r:.40} is no {tag[1:]}")
    return made


_PARSERS: dict[str, Callable[[str], Any]] = {
    "$number": Decimal,
    "$date": parse_date,
    "$time": parse_time,
    "$dateTime": parse_date_time,
    "$duration": parse_duration,
}


def _check(state: State) -> None:
    """Raises InvalidState when records refer to what there is not."""
    if state.status not in STATUSES:
        raise InvalidState(f"the state is damaged: there is no status {state.status!r:.40}")
    missing = [*_dangling(state)]
    if state.root not in state.scopes:
        missing.append(f"its root scope {state.root!r:.40}")
    if missing:
        raise InvalidState(f"the state is damaged: {missing[0]} is not there")


def _dangling(state: State) -> list[str]:
    found: list[str] = []
    for token in state.tokens.values():
        scope = state.scopes.get(token.scope)
        if scope is None or token.id not in scope.tokens:
            found.append(f"the scope of token {token.id}")
        found += [f"what token {token.id} waits for, {wait}" for wait in token.waits if wait not in state.waits]
        if token.child is not None and token.child not in state.scopes:
            found.append(f"the scope inside token {token.id}")
        if token.incident is not None and token.incident not in state.incidents:
            found.append(f"the incident of token {token.id}")
    for place in state.scopes.values():
        found += [f"token {token} of scope {place.id}" for token in place.tokens if token not in state.tokens]
        found += [f"what scope {place.id} waits for, {wait}" for wait in place.waits if wait not in state.waits]
        if place.parent is not None and place.parent not in state.scopes:
            found.append(f"the scope around {place.id}")
    owners = {*state.tokens, *state.scopes}
    found += [f"who waits for {wait.id}" for wait in state.waits.values() if (wait.token or wait.scope) not in owners]
    found += [f"the token of incident {each.id}" for each in state.incidents.values() if each.token not in state.tokens]
    return found


_TOKEN, _SCOPE, _WAIT, _INCIDENT = _defaults(Token), _defaults(ScopeState), _defaults(Wait), _defaults(IncidentState)
