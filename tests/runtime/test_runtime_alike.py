"""The quick way gives exactly the answers of the general way, or leaves the request to it.

Both are asked the same: status, headers, every byte of the body but for ids, what is logged, and what is counted must agree.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from alike_requests import VALUES, Full, World, worlds
from alike_stage import Player, Seen, Stage
from hypothesis import HealthCheck, Phase, find, given, settings
from structlog.testing import capture_logs

from modelyard.core.errors import StorageFull
from modelyard.decisions import LogUnwritable, Rows
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.runtime import lanes, quick
from modelyard.trust.statements import ArmRole, Constant, EndpointPolicy, Protection, RoutingRule
from tests.conftest import examples

ALL = list(HealthCheck)
Told = tuple[list[Seen], dict[str, int]]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("alike"))
    with capture_logs():  # what a failing model's trace looks like is not what is asked here
        yield made
    made.close()


def failing(how: Full) -> Callable[[list[Rows]], list[Any]]:
    """A commit that writes nothing."""

    def commit(groups: list[Rows]) -> list[Any]:
        if how is Full.BROKEN:
            raise OSError("the disk is gone")
        return [StorageFull("full") if how is Full.STORAGE else LogUnwritable("the disk says no")] * len(groups)

    return commit


def told(stage: Stage, world: World) -> tuple[Told, Told]:
    """What is seen of a world, and what is counted, on the way that its requests take and on the general way."""
    stage.serve(world.players, world.name, world.constant, world.policy, world.salt, world.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "randbits", lambda bits: world.draws)
        if world.full is not None:
            patch.setattr(stage.runtime._decisions, "commit", failing(world.full))
        at_first = stage.counted()
        quickly = stage.ask(world.bodies, {**stage.quick, **world.headers})
        between = stage.counted()
        generally = stage.ask(world.bodies, {**stage.general, **world.headers})
    return (quickly, grown(at_first, between)), (generally, grown(between, stage.counted()))


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def alike(stage: Stage, most: int) -> None:
    """As many worlds; the quick way must have been taken by a good part of the requests, and each answer be logged once."""
    before, quickly, asked, answered = stage.logged(), stage.quickly, 0, 0

    @given(world=worlds())
    @settings(max_examples=most, suppress_health_check=ALL, deadline=None)
    def same(world: World) -> None:
        nonlocal asked, answered
        by_the_way, generally = told(stage, world)
        assert by_the_way == generally
        assert all(seen.status != 500 for seen in generally[0])
        asked += len(world.bodies)
        answered += sum(len(seen.rows) for seen in [*by_the_way[0], *generally[0]])

    same()
    assert stage.quickly - quickly > asked / 5
    assert stage.logged() - before == answered


def test_both_ways_answer_log_and_count_the_same(stage: Stage) -> None:
    alike(stage, examples(180, hunt=20_000))


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "%s", "{x}", "é", "\x00", "\u2028", "'", "a,b", '"inputs"'])
def test_odd_names_have_a_quick_way(stage: Stage, name: str) -> None:
    signature = Signature(
        inputs=(FieldSpec(name=name, type=DataType.FP32),),
        outputs=(FieldSpec(name=name, type=DataType.FP32), FieldSpec(name=f"{name}2", type=DataType.FP32, shape=(2,))),
    )
    echo = Player(signature, lambda batch, rows: {name: batch[name], f"{name}2": np.stack([batch[name]] * 2, axis=1)})
    asked = json.dumps({"inputs": [{"name": name, "shape": [1], "datatype": "FP32", "data": [1.5]}]}).encode()
    quickly = stage.quickly
    (by_the_way, _), (generally, _) = told(stage, World([echo], EndpointPolicy(), [asked]))
    assert by_the_way == generally
    assert json.loads(generally[0].body)["outputs"][1]["data"] == [1.5, 1.5]
    assert stage.quickly == quickly + 1


RECORD = b'{"a": 1.5}'
QUICKLY: dict[str, tuple[EndpointPolicy, bytes, dict[str, str], bool]] = {
    "a key": (EndpointPolicy(sticky_by="a"), RECORD, {}, True),
    "protected fields": (EndpointPolicy(protect={"a": Protection.MASK, "o": Protection.HASH}), RECORD, {}, True),
    "rules": (EndpointPolicy(rules=(RoutingRule(when="a > 1", arm="champion 0 100%s"),)), RECORD, {}, True),
    "enough time": (EndpointPolicy(timeout=1.0), RECORD, {"x-timeout-ms": "500"}, True),
    "little time": (EndpointPolicy(), RECORD, {"x-timeout-ms": "5"}, False),
    "a limit of requests": (EndpointPolicy(concurrency=9), RECORD, {}, False),
    "a charset": (EndpointPolicy(), RECORD, {"content-type": "application/json; charset=utf-8"}, True),
    "another charset": (EndpointPolicy(), RECORD, {"content-type": "application/json; charset=latin-1"}, False),
    "a person": (EndpointPolicy(), b'{"inputs": {"a": 1.5}, "subject": "p", "event_time": "2026-01-01T00:00:00Z"}', {}, True),
    "a person without a name": (EndpointPolicy(), b'{"inputs": {"a": 1.5}, "subject": ""}', {}, False),
    "a field twice": (EndpointPolicy(), b'{"a": 1.5, "a": 2}', {}, False),
    "a key twice": (EndpointPolicy(), b'{"inputs": {"a": 1.5}, "key": "x", "key": "x"}', {}, False),
    "many": (EndpointPolicy(), b'{"records": [{"a": 1.5}]}', {}, False),
}


@pytest.mark.parametrize("case", QUICKLY)
def test_what_takes_the_quick_way(stage: Stage, case: str) -> None:
    policy, asked, headers, quickly = QUICKLY[case]
    before = stage.quickly
    by_the_way, generally = told(stage, World(RIVALS, policy, [asked], headers=headers, path="/decide/{}"))
    assert stage.quickly - before == (2 if quickly and "content-type" in headers else quickly)
    assert by_the_way == generally


def test_who_takes_other_inputs_closes_the_quick_way(stage: Stage) -> None:
    """A shadow is given what was read for the champion, and must read it the same way."""
    other = player(NUMBER, says=lambda b: {"o": b["a"]}, shape=(2,))
    other.role = ArmRole.SHADOW
    before = stage.quickly
    told(stage, World([SAME, other], EndpointPolicy(), [body()]))
    assert stage.quickly == before


@pytest.mark.parametrize(("other", "written"), [("b", r"\u0062"), ("b:c", r"b\u003ac")])
def test_a_field_given_twice_hides_behind_no_other(stage: Stage, other: str, written: str) -> None:
    """Colons tell how many members there are: those in names and texts, escaped ones, and fields that are left out must not make
    up for a twin."""
    fields = tuple(FieldSpec(name=name, type=DataType.BYTES, nullable=True) for name in ("a", other))
    echo = Player(Signature(inputs=fields, outputs=(fields[0],)), lambda batch, rows: {"a": batch["a"]})
    texts = ("null", '"x"', '"x:y"', r'"\u003a"', '":"')
    members = [f'"{name}":{text}' for name in ("a", other, written) for text in texts]
    bodies = [f"{{{','.join(some)}}}".encode() for count in (1, 2, 3) for some in product(members, repeat=count)]
    for start in range(0, len(bodies), 200):
        some = World([echo], EndpointPolicy(), bodies[start : start + 200], path="/decide/{}")
        by_the_way, generally = told(stage, some)
        assert by_the_way == generally
        assert [seen.status for seen in generally[0]] == [400 if twin(asked) else 200 for asked in some.bodies]


def twin(body: bytes) -> bool:
    pairs: list[tuple[str, Any]] = json.loads(body, object_pairs_hook=lambda pairs: pairs)
    return len(dict(pairs)) < len(pairs)


@pytest.mark.slow
def test_both_ways_answer_the_same_for_long(stage: Stage) -> None:
    alike(stage, 2000)


def player(*outputs: FieldSpec, says: Callable[[Batch], Batch], shape: tuple[int, ...] = ()) -> Player:
    signature = Signature(inputs=(FieldSpec(name="a", type=DataType.FP32, shape=shape),), outputs=outputs)
    return Player(signature, lambda batch, rows: says(batch))


def body(data: str = "[1.5]", shape: str = "[1]", **more: Any) -> bytes:
    rest = "".join(f',"{name}":{json.dumps(value)}' for name, value in more.items())
    return f'{{"inputs":[{{"name":"a","shape":{shape},"datatype":"FP32","data":{data}}}]{rest}}}'.encode()


NUMBER = FieldSpec(name="o", type=DataType.FP32)
PAIR = FieldSpec(name="o", type=DataType.FP32, shape=(2,))


def objects(*values: Any) -> np.ndarray[Any, Any]:
    found = np.empty(len(values), object)
    for place, value in enumerate(values):
        found[place] = value
    return found


@pytest.mark.parametrize(
    ("said", "told_as"),
    [
        (np.array([b"yes"]), "yes"),
        (objects(b"no"), "no"),
        (objects("\u00e9".encode()), "\u00e9"),
        (objects(b"\xff\x00"), "/wA="),
    ],
)
def test_texts_that_a_model_says_in_bytes_are_texts(stage: Stage, said: Any, told_as: str) -> None:
    word = player(FieldSpec(name="o", type=DataType.BYTES), says=lambda batch: {"o": said})
    (by_the_way, _), (generally, _) = told(stage, World([word], EndpointPolicy(), [body()]))
    assert by_the_way == generally
    assert json.loads(generally[0].body)["outputs"][0]["data"] == [told_as]
    assert json.loads(generally[0].rows[0]["output"]) == {"o": told_as}


SAME = player(NUMBER, says=lambda b: {"o": b["a"]})
RIVALS = [
    Player(SAME.signature, SAME.says, ArmRole.CHAMPION, 0.5),
    Player(SAME.signature, lambda batch, rows: {"o": batch["a"] + 1}, ArmRole.CHALLENGER, 0.5),
]
CASES: dict[str, tuple[World, int]] = {
    "the usual": (World([SAME], EndpointPolicy(), [body()]), 200),
    "an empty id is none": (World([SAME], EndpointPolicy(), [body(id="")]), 200),
    "a vector that came as a number": (World([player(PAIR, says=lambda b: {"o": b["a"]})], EndpointPolicy(), [body()]), 200),
    "a vector that came as nothing": (
        World([player(PAIR, says=lambda b: {"o": objects(None)})], EndpointPolicy(), [body()]),
        200,
    ),
    "a number that came as a vector": (
        World([player(NUMBER, says=lambda b: {"o": b["a"].reshape(-1, 1)})], EndpointPolicy(), [body()]),
        200,
    ),
    "more outputs than the signature has": (
        World([player(NUMBER, says=lambda b: {"o": b["a"], "more": b["a"]})], EndpointPolicy(), [body()]),
        200,
    ),
    "outputs in another order": (
        World(
            [
                player(
                    NUMBER,
                    NUMBER.model_copy(update={"name": "p"}),
                    says=lambda b: {"p": b["a"], "o": b["a"]},
                )
            ],
            EndpointPolicy(),
            [body()],
        ),
        200,
    ),
    "an input that has no values": (
        World([player(NUMBER, says=lambda b: {"o": np.zeros(len(b["a"]))}, shape=(0,))], EndpointPolicy(), [body("[]", "[1,0]")]),
        400,
    ),
    "no output at all": (World([player(NUMBER, says=lambda b: {})], EndpointPolicy(), [body()]), 503),
    "an answer without rows": (World([player(NUMBER, says=lambda b: {"o": np.array(1.5)})], EndpointPolicy(), [body()]), 503),
    "more answers than rows": (World([player(NUMBER, says=lambda b: {"o": np.ones(2)})], EndpointPolicy(), [body()]), 503),
    "an answer that is no JSON": (
        World([player(NUMBER, says=lambda b: {"o": objects(*[Ellipsis] * len(b["a"]))})], EndpointPolicy(), [body()]),
        503,
    ),
    "an answer that is no JSON, and that the log masks": (
        World(
            [player(NUMBER, says=lambda b: {"o": objects(*[Ellipsis] * len(b["a"]))})],
            EndpointPolicy(protect={"o": Protection.MASK}),
            [body()],
        ),
        503,
    ),
    "half of a character": (
        World([player(NUMBER, says=lambda b: {"o": objects(*["\ud800"] * len(b["a"]))})], EndpointPolicy(), [body()]),
        503,
    ),
    "a log that breaks": (World([SAME], EndpointPolicy(), [body()], full=Full.BROKEN), 503),
    "a tensor without a name": (World([SAME], EndpointPolicy(), [body().replace(b'"name":"a",', b"")]), 400),
    "a tensor of another name": (World([SAME], EndpointPolicy(), [body().replace(b'"name":"a"', b'"name":"not a"')]), 400),
    "an answer that bytes of its type cannot carry": (
        World(
            [player(NUMBER, says=lambda b: {"o": objects(*["text"] * len(b["a"]))})],
            EndpointPolicy(),
            [body(parameters={"binary_data_output": True})],
        ),
        200,
    ),
    "an answer that goes compressed": (
        World(
            [player(NUMBER, says=lambda b: {"o": objects(*[VALUES["long"]] * len(b["a"]))})],
            EndpointPolicy(),
            [body()],
            headers={"accept-encoding": "gzip"},
        ),
        200,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_once_differed(stage: Stage, case: str) -> None:
    world, status = CASES[case]
    by_the_way, generally = told(stage, world)
    assert by_the_way == generally
    assert [seen.status for seen in generally[0]] == [status] * len(world.bodies)


def test_a_model_that_answers_too_few_rows_gives_nobody_the_answer_of_another(stage: Stage) -> None:
    """One call for two requests, one row of answers: the fallback answers both."""
    short = player(NUMBER, says=lambda b: {"o": b["a"][:1] if len(b["a"]) > 1 else np.zeros(0)})
    spare = player(NUMBER, says=lambda b: {"o": b["a"] + 10})
    spare.role = ArmRole.FALLBACK
    bodies = [body("[1.0]"), body("[2.0]")]
    by_the_way, generally = told(stage, World([short, spare], EndpointPolicy(), bodies))
    assert by_the_way == generally
    assert [json.loads(seen.body)["outputs"][0]["data"] for seen in generally[0]] == [[11.0], [12.0]]


def test_a_protected_output_that_comes_now_and_then_is_protected(stage: Stage) -> None:
    """What is protected goes by the policy, not by what the first answer had."""
    policy = EndpointPolicy(protect={"besides": Protection.MASK})
    stage.serve([player(NUMBER, says=lambda b: {"o": b["a"]} | ({"besides": b["a"]} if b["a"][0] > 1 else {}))], policy=policy)
    for asked, logged in (("[1.0]", {"o": 1.0}), ("[2.0]", {"o": 2.0, "besides": None})):
        [seen] = stage.ask([body(asked)], stage.general)
        assert json.loads(seen.rows[0]["output"]) == logged


def test_after_an_answer_without_rows_others_are_answered(stage: Stage) -> None:
    world = World(
        [player(NUMBER, says=lambda b: {"o": np.array(1.5) if b["a"][0] < 0 else b["a"]})],
        EndpointPolicy(),
        [body("[-1.0]")],
        Constant(outputs={"o": 0.0}),
    )
    (seen, _), _ = told(stage, world)
    assert seen[0].status == 200
    assert json.loads(seen[0].body)["parameters"]["groups"][0]["role"] == "constant"
    assert json.loads(stage.ask([body("[2.0]")], stage.quick)[0].body)["outputs"][0]["data"] == [2.0]


def _any_outputs(ticket: quick.Ticket, outputs: Any, first: int, started: float) -> None:
    ticket.outputs, ticket.place, ticket.queue_time = outputs, first, started - ticket.since
    ticket.quick.writer.put(ticket)


def _own_id(way: quick.QuickWay, ticket: quick.Ticket, unlogged: bool = False) -> bytes:
    ticket.id = ticket.id or "mine"
    return ANSWER(way, ticket, unlogged)


ANSWER, DRAWN = quick.QuickWay.answer, quick.Lane._drawn
BROKEN: dict[str, tuple[Any, str, Any]] = {
    "outputs are not looked at": (quick.Ticket, "answered", _any_outputs),
    "an id is made up": (quick.QuickWay, "answer", _own_id),
    "keys are not kept": (quick.Lane, "_drawn", lambda lane, key: DRAWN(lane, None)),
    "the request's id is not logged": (quick, "_some", lambda values: False),
    "the trace is another": (lanes, "trace_of", lambda header: "0"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_quick_way_that_is_broken_is_found_out(stage: Stage, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    place, name, wrong = BROKEN[how]

    def differs(world: World) -> bool:
        by_the_way, generally = told(stage, world)
        return by_the_way != generally

    monkeypatch.setattr(place, name, wrong)
    find(
        worlds(), differs, settings=settings(max_examples=300, phases=[Phase.generate], suppress_health_check=ALL, database=None)
    )
