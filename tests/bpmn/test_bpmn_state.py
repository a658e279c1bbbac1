"""States as JSON: exact, small, refused when damaged or foreign; those of earlier formats keep loading and go on to their end.

The fixtures under `states` are written by `python -m tests.bpmn.test_bpmn_state` for a format that is new, and never again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.bpmn.engine import CompiledProcess, compile_process
from modelyard.bpmn.errors import InvalidState
from modelyard.bpmn.model import Process
from modelyard.bpmn.reading import read
from modelyard.bpmn.state import FORMAT, decoded, dumps, encoded, loads
from modelyard.dmn import Expression, written
from tests.bpmn.bpmn_play import Player
from tests.bpmn.bpmn_text import (
    boundary,
    catch,
    compensated_by,
    compensation,
    condition,
    each,
    event_sub,
    inc,
    message,
    par,
    process,
    signal,
    sub,
    throw,
    timer,
    user,
    xml,
)

STATES = Path(__file__).parent / "states"


def compiled(name: str) -> CompiledProcess:
    """A process of the fixtures, as its file was when they were written; states of `many_things` have every kind of record."""
    return compile_process(read((STATES / f"{name}.bpmn").read_bytes()))


def small() -> Process:
    return process("small", "s -> a -> b -> e")


def many_things() -> Process:
    return process(
        "many_things",
        """s -> f; f -> a -> i; f -> many -> i; f -> trip -> undo -> i; f -> wait -> i; f -> got -> i; i -> e
           late -> e2; note -> e3""",
        data={"limit": "1.50", "since": 'date("2026-01-31")'},
        f=par(),
        i=inc(),
        late=boundary("a", timer("R3/PT10M"), interrupting=False),
        note=boundary("a", message("note", "order.id"), interrupting=False),
        many=user(loop=each("list", "item", output="results", output_item="ok")),
        trip=sub("s1 -> fly -> e1", data={"seat": "1"}, back=compensated_by("fly", "refund"), refund=user()),
        undo=throw(compensation()),
        wait=catch(condition("limit > 5")),
        got=catch(message("paid")),
        v=event_sub("s9 -> h -> e9", signal("alarm"), interrupting=False),
    )


_START = 'start {order: {id: "o7", "$odd": [null, true]}, list: [1, 2.5], span: duration("P1DT2H")}'
FIXTURES: dict[str, tuple[str, str, str]] = {
    "at_a_task": ("small", "start {x: 1.10}", "a | b | completed | (x = 1.1)"),
    "begun": (
        "many_things",
        _START,
        "[a fly many many] | a | many {ok: true} | many {ok: false} | fly | [refund] | refund | <paid | = {limit: 6} | completed",
    ),
    "midway": (
        "many_things",
        f"{_START} | @late | <note | ~alarm | fly | many {{ok: true}} | <paid",
        "[a h many refund] | h | refund | many {ok: 1} | a | = {limit: 6} | completed | (results = [true, 1])",
    ),
    "with_incidents": (
        "many_things",
        f"{_START} | ?a | fly | !refund E1 | many {{}} ",
        "incident work, error, expression | skip | skip | skip {ok: 1} | many {ok: 2} | <paid | = {limit: 6} | completed",
    ),
    "ended": ("small", "a {x: 1} | b | completed", "completed"),
}


def resumed(name: str, text: str) -> Player:
    """A player that knows what the state waits for, as one who carried out the effects of its past."""
    file, play, _ = FIXTURES[name]
    player = Player(compiled(file)).play(play)
    player.state = loads(text, player.compiled.digest)
    return player


@pytest.mark.parametrize("path", sorted(STATES.glob("*.json")), ids=lambda path: path.stem)
def test_a_saved_state_of_every_format_loads_and_goes_on_to_its_end(path: Path) -> None:
    name = path.stem.partition("-")[2]
    player = resumed(name, path.read_text("utf-8").strip())
    for line in FIXTURES[name][2].split("|"):
        player.do(line.strip())


def test_every_kind_of_state_is_a_fixture_of_this_format() -> None:
    assert {path.stem for path in STATES.glob(f"{FORMAT}-*.json")} == {f"{FORMAT}-{name}" for name in FIXTURES}


@pytest.mark.parametrize("name", FIXTURES)
def test_saving_and_loading_is_exact(name: str) -> None:
    file, play, _ = FIXTURES[name]
    player = Player(compiled(file)).play(play)
    assert player.state is not None
    text = dumps(player.state)
    assert loads(text) == player.state
    assert dumps(loads(text)) == text


def test_a_state_is_small() -> None:
    assert len(Player(compiled("small")).play("start {x: 1}").saved) < 450


# --- values ---------------------------------------------------------------------------------------------------------------------

_TEXTS = st.text(max_size=6) | st.sampled_from(["$", "$number", "$context", "$date", ""])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | _TEXTS
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.integers(-(10**20), 10**20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_every_value_is_kept_exactly(value: Any) -> None:
    known = Expression("v").evaluate({"v": value}).value
    kept = decoded(json.loads(json.dumps(encoded(known))))
    assert kept == known
    assert repr(kept) == repr(known)


@pytest.mark.parametrize(
    "text",
    [
        'date("2026-01-31")',
        'time("10:00:00.5+01:00")',
        'date and time("2026-01-31T10:00:00@Europe/Zurich")',
        'date and time("2026-01-31T10:00:00")',
        'duration("P3DT4H0.000000001S")',
        'duration("-P1Y2M")',
        "1.500",
        "-0.0",
        "10**30",
        "[1..5)",
        '(> date("2026-01-01"))',
        '{"$date": "x", a: [duration("PT1S")]}',
    ],
)
def test_what_json_does_not_have_is_kept_exactly(text: str) -> None:
    value = Expression(text).evaluate({}).value
    kept = decoded(json.loads(json.dumps(encoded(value))))
    assert type(kept) is type(value)
    assert repr(kept) == repr(value)
    assert written(kept) == written(value)


def test_a_function_cannot_be_kept() -> None:
    with pytest.raises(InvalidState, match="cannot be kept"):
        encoded(Expression("string length").evaluate({}).value)


# --- what is refused ------------------------------------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Player(compiled("many_things")).play(f"{_START} | ?a").saved)
    return found


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"format": "1"}', '{"format": true}', '{"format": 1}', "[" * 100_000]
)
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(InvalidState):
        loads(text)


@pytest.mark.parametrize("number", [0, -1, FORMAT + 1, 1000])
def test_other_formats_are_refused(number: int) -> None:
    with pytest.raises(InvalidState, match="format"):
        loads(json.dumps({**document(), "format": number}))


def test_a_state_of_another_definition_is_refused() -> None:
    with pytest.raises(InvalidState, match="of the definition"):
        loads(json.dumps(document()), "0" * 64)


def _broken() -> dict[str, Any]:
    return {
        "status": lambda d: d.update(status="sleeping"),
        "counter": lambda d: d.update(counter=-1),
        "counter of text": lambda d: d.update(counter="7"),
        "no tokens": lambda d: d.pop("tokens"),
        "a token of no scope": lambda d: d["tokens"][0].update(scope="s99"),
        "a token less": lambda d: d["tokens"].pop(),
        "a token twice": lambda d: d["tokens"].append(d["tokens"][0]),
        "a token with more": lambda d: d["tokens"][0].update(colour="red"),
        "a scope less": lambda d: d["scopes"].pop(0),
        "no root": lambda d: d.update(root="s99"),
        "a wait less": lambda d: d["waits"].pop(),
        "a wait of nobody": lambda d: d["waits"][0].update(token="t99", scope=None),
        "an incident less": lambda d: d["incidents"].clear(),
        "no number": lambda d: d["scopes"][0]["data"].update(x={"$number": "much"}),
        "a fraction": lambda d: d["scopes"][0]["data"].update(x=1.5),
        "an unknown kind of value": lambda d: d["scopes"][0]["data"].update(x={"$matrix": []}),
        "no date": lambda d: d["scopes"][0]["data"].update(x={"$date": "2026-02-30"}),
        "no time": lambda d: next(wait for wait in d["waits"] if "due" in wait).update(due="soon"),
        "a name that is no text": lambda d: d["tokens"][0].update(element=5),
    }


@pytest.mark.parametrize("damage", _broken())
def test_a_damaged_state_is_refused(damage: str) -> None:
    found = document()
    loads(json.dumps(found))
    _broken()[damage](found)
    with pytest.raises(InvalidState):
        loads(json.dumps(found))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_is_torn_is_refused_or_still_a_state(data: st.DataObject) -> None:
    text = json.dumps(document())
    place = data.draw(st.integers(0, len(text) - 1))
    torn = text[:place] + data.draw(st.sampled_from(['"', "0", "{", "}", ",", "x", ""])) + text[place + 1 :]
    try:
        found = loads(torn)
    except InvalidState:
        return
    assert loads(dumps(found)) == found


def _write() -> None:
    STATES.mkdir(exist_ok=True)
    for made in (small(), many_things()):
        file = STATES / f"{made.id}.bpmn"
        if not file.exists():
            file.write_bytes(xml(made))
    for name, (file_name, play, _) in FIXTURES.items():
        path = STATES / f"{FORMAT}-{name}.json"
        path.write_text(Player(compiled(file_name)).play(play).saved + "\n", "utf-8")


if __name__ == "__main__":
    _write()
