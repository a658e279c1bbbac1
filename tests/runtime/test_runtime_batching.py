"""Micro-batching, limits and the log's thread, each on its own: nothing is lost, order is kept, one bad row hurts nobody."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modelyard.core.errors import InvalidInput, ModelyardError, StorageFull, TimedOut, Unavailable
from modelyard.decisions import DecisionIds, DecisionLog, DecisionReader, Rows
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.runtime import engine, inputs
from modelyard.runtime.costs import Cost
from modelyard.runtime.engine import Answer, ModelServer
from modelyard.runtime.errors import Overloaded
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.limits import Admission, Gate
from modelyard.runtime.protocol import TensorIn
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import EndpointPolicy

SIGNATURE = Signature(
    inputs=(FieldSpec(name="x", type=DataType.FP64), FieldSpec(name="v", type=DataType.FP64, shape=(2,))),
    outputs=(FieldSpec(name="y", type=DataType.FP64),),
)
BAD = -1.0


class Doubling:
    """y = 2·x; refuses batches with a bad row; costs so much a call and so much a row."""

    signature = SIGNATURE

    def __init__(self, call: float = 0.0, row: float = 0.0) -> None:
        self.batches: list[int] = []
        self._call, self._row = call, row
        self._paused = threading.Event()

    def predict(self, batch: Batch) -> Batch:
        self.batches.append(len(batch["x"]))
        if self._call or self._row:
            self._paused.wait(self._call + self._row * len(batch["x"]))
        if (batch["x"] == BAD).any():
            raise InvalidInput("a bad row", field="x")
        assert batch["v"].shape == (len(batch["x"]), 2)
        return {"y": batch["x"] * 2}

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Any]:
        return ()


def running(work: Callable[[ThreadPoolExecutor], Coroutine[Any, Any, Any]]) -> Any:
    with ThreadPoolExecutor(2) as pool:
        return asyncio.run(work(pool))


def columns(values: Sequence[float]) -> list[list[Any]]:
    return [list(values), [[value, 0.0] for value in values]]


requests = st.lists(
    st.tuples(
        st.lists(st.floats(0, 1e6) | st.just(BAD), min_size=1, max_size=5),
        st.sampled_from([None, 0.002]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=25,
)


@given(asked=requests, inline=st.booleans())
def test_no_row_is_lost_and_a_bad_one_hurts_only_its_own_caller(
    asked: list[tuple[list[float], float | None, int]], inline: bool
) -> None:
    async def one(server: ModelServer, values: list[float], target: float | None, turns: int) -> Answer | InvalidInput:
        for _ in range(turns):
            await asyncio.sleep(0)
        try:
            return await server.answer(columns(values), len(values), target=target)
        except InvalidInput as error:
            return error

    async def work(pool: ThreadPoolExecutor) -> list[Answer | InvalidInput]:
        server = ModelServer(Doubling(), InputPlan(SIGNATURE), pool, inline=inline)
        return await asyncio.gather(*[one(server, *each) for each in asked])

    for (values, _, _), answer in zip(asked, running(work), strict=True):
        if BAD in values:
            assert isinstance(answer, InvalidInput)
        else:
            assert isinstance(answer, Answer)
            assert answer.outputs == {"y": [value * 2 for value in values]}
            assert answer.queue_time >= 0


class Timeless(selectors.SelectSelector):
    """Waiting takes no time: the clock goes on instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class AtOnce(Executor):
    """Calls are made where they are asked for."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments, **options))
        return future


@given(
    target=st.floats(0.01, 1.0),
    share=st.floats(0.001, 0.1),
    gaps=st.lists(st.floats(0.0, 0.2), min_size=2, max_size=60),
)
def test_rows_wait_for_company_within_their_target(target: float, share: float, gaps: list[float]) -> None:
    """A model of known cost on a clock of its own: `gaps` are parts of the target between one request and the next."""
    selector, batches = Timeless(), list[int]()
    call, row = target * share, target * share / 100
    waited: list[float] = []

    class Known(Doubling):
        def predict(self, batch: Batch) -> Batch:
            batches.append(len(batch["x"]))
            selector.now += call + row * len(batch["x"])
            return super().predict(batch)

    async def one(server: ModelServer, place: int, at: float) -> None:
        await asyncio.sleep(at)
        started = selector.now
        answer = await server.answer(columns([float(place)]), 1, target=target)
        assert answer.outputs == {"y": [place * 2.0]}
        waited.append(selector.now - started)

    async def work() -> None:
        server = ModelServer(Known(), InputPlan(SIGNATURE), AtOnce(), inline=False)
        for rows in (1, 20, 1, 20):
            await server.answer(columns([1.0] * rows), rows)
        batches.clear()
        await asyncio.gather(*[one(server, place, sum(gaps[:place]) * target) for place in range(len(gaps))])

    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "perf_counter", lambda: selector.now)
        loop.run_until_complete(work())
    loop.close()
    assert sum(batches) == len(gaps)
    assert max(waited) <= target
    assert len(batches) <= 1 + sum(gaps) / 0.3


def test_without_a_target_nobody_waits() -> None:
    model = Doubling(call=0.02)

    async def work(pool: ThreadPoolExecutor) -> None:
        server = ModelServer(model, InputPlan(SIGNATURE), pool, inline=False)
        first = asyncio.ensure_future(server.answer(columns([1.0]), 1))
        while not model.batches:
            await asyncio.sleep(0.001)
        rest = [asyncio.ensure_future(server.answer(columns([2.0]), 1)) for _ in range(5)]
        await asyncio.gather(first, *rest)

    running(work)
    assert model.batches == [1, 5]


def test_who_asks_a_model_that_was_let_go_of_is_told_so() -> None:
    """Its thread is gone: those in its queue, and those who come with older routes in hand, waited for ever."""
    model = Doubling(call=0.05)

    async def work(pool: ThreadPoolExecutor) -> None:
        own = ThreadPoolExecutor(1)
        server = ModelServer(model, InputPlan(SIGNATURE), own, inline=False)
        first = asyncio.ensure_future(server.answer(columns([1.0]), 1))
        while not model.batches:
            await asyncio.sleep(0.001)
        queued = asyncio.ensure_future(server.answer(columns([2.0]), 1))
        await asyncio.sleep(0)
        own.shutdown(wait=False, cancel_futures=True)
        assert (await asyncio.wait_for(first, 10)).outputs == {"y": [2.0]}
        for late in (queued, asyncio.ensure_future(server.answer(columns([3.0]), 1))):
            with pytest.raises(Unavailable, match="let go of"):
                await asyncio.wait_for(late, 10)

    running(work)


def test_a_caller_that_gives_up_leaves_the_queue_and_hurts_nobody() -> None:
    model = Doubling(call=0.05)

    async def work(pool: ThreadPoolExecutor) -> ModelServer:
        server = ModelServer(model, InputPlan(SIGNATURE), pool, inline=False)
        first = asyncio.ensure_future(server.answer(columns([1.0]), 1))
        while not model.batches:
            await asyncio.sleep(0.001)
        hasty = asyncio.ensure_future(server.answer(columns([2.0]), 1, timeout=0.005))
        patient = asyncio.ensure_future(server.answer(columns([3.0]), 1))
        with pytest.raises(TimedOut, match=r"took longer than 0\.005 s"):
            await hasty
        assert (await first).outputs == {"y": [2.0]}
        assert (await patient).outputs == {"y": [6.0]}
        return server

    server = running(work)
    assert model.batches == [1, 1]
    assert (server.dropped, server.late) == (1, 0)


@given(
    call=st.floats(1e-5, 1e-2),
    row=st.floats(1e-7, 1e-4),
    sizes=st.lists(st.integers(1, 500), min_size=3, max_size=30).filter(lambda sizes: len(set(sizes)) > 2),
)
def test_the_cost_of_a_call_and_a_row_is_learnt(call: float, row: float, sizes: list[int]) -> None:
    cost = Cost()
    for size in sizes:
        cost.learn(size, call + row * size)
    assert cost.of(100) == pytest.approx(call + row * 100, rel=1e-3)
    assert cost.row == pytest.approx(row, rel=1e-2)
    within = cost.rows_within(call + row * 100)
    assert abs(within - 100) <= max(2, 0.02 * (call / row + 100))


@given(st.lists(st.tuples(st.integers(1, 4096), st.floats(1e-7, 10.0)), min_size=1, max_size=40))
def test_whatever_is_measured_the_cost_stays_a_cost(calls: list[tuple[int, float]]) -> None:
    cost = Cost()
    for rows, seconds in calls:
        cost.learn(rows, seconds)
        assert cost.call >= 0
        assert cost.row >= 0
        assert cost.enough >= 1
        assert cost.rows_within(seconds) >= 1
    before = cost.of(10)
    cost.fade()
    assert cost.of(10) < before


@given(limit=st.integers(1, 4), queue=st.integers(0, 4), callers=st.integers(1, 20), gone=st.sets(st.integers(0, 19)))
def test_a_gate_lets_in_no_more_than_it_may_and_loses_no_turn(limit: int, queue: int, callers: int, gone: set[int]) -> None:
    policy = EndpointPolicy(concurrency=limit, queue=queue)
    seen: list[int] = []

    async def one(gate: Gate, inside: list[int]) -> str:
        try:
            await gate.enter(policy, None)
        except Overloaded as error:
            return f"shed {1 <= error.retry_after <= 60}"
        inside.append(1)
        seen.append(len(inside))
        try:
            await asyncio.sleep(0)
        finally:
            inside.pop()
            gate.leave(policy)
        return "in"

    async def work() -> tuple[Gate, list[Any]]:
        gate, inside = Gate(), list[int]()
        tasks = [asyncio.ensure_future(one(gate, inside)) for _ in range(callers)]
        await asyncio.sleep(0)
        for place in gone:
            if place < callers:
                tasks[place].cancel()
        return gate, await asyncio.gather(*tasks, return_exceptions=True)

    gate, outcomes = asyncio.run(work())
    assert max(seen, default=0) <= limit
    assert gate.waiting == 0
    assert outcomes.count("shed True") == gate.shed == max(0, callers - limit - queue)


def test_room_for_bodies_is_bounded_and_given_back() -> None:
    admission = Admission(10, 1000)
    one, other = admission.held(), admission.held()
    one.grow(5000)
    with pytest.raises(Overloaded):
        other.grow(1)
    one.release()
    one.release()
    other.grow(900)
    assert admission.bytes == 900
    with pytest.raises(Overloaded):
        admission.held().grow(200)
    other.release()
    assert (admission.bytes, admission.shed) == (0, 2)


class Entry:
    """Something to log through a way that writes many at once."""

    def __init__(self, way: Any, ids: list[str], text: Any, done: asyncio.Future[ModelyardError | None]) -> None:
        self.way, self.ids, self.text, self.done = way, ids, text, done

    def groups(self) -> Sequence[Rows]:
        return [self.way.rows([self])]

    def logged(self, error: ModelyardError | None) -> None:
        self.done.set_result(error)


class Together:
    shared = {"organisation": "o", "use_case": "u", "endpoint": "e", "epoch": 1, "decision_time": 1}

    def rows(self, entries: Sequence[Any]) -> Rows:
        ids, texts = [i for e in entries for i in e.ids], [e.text for e in entries]
        return Rows(len(ids), {"id": ids, "inputs": ["{}"] * len(ids), "output": texts}, self.shared)


def test_what_cannot_be_written_keeps_nobody_else_out_of_the_log(tmp_path: Path) -> None:
    ids, way = DecisionIds().mint(40), Together()

    async def work() -> list[ModelyardError | None]:
        loop = asyncio.get_running_loop()
        entries = [Entry(way, [each], 7 if place % 10 == 3 else "{}", loop.create_future()) for place, each in enumerate(ids)]
        for entry in entries:
            writer.put(entry)
        alone = Rows(1, {"id": ["dec_alone"], "inputs": ["{}"]}, Together.shared)
        await writer.append([alone])
        return await asyncio.gather(*[entry.done for entry in entries])

    with DecisionLog(tmp_path, "one") as log:
        writer = LogWriter(log)
        outcome = asyncio.run(work())
        writer.close()
    assert [place for place, error in enumerate(outcome) if error is not None] == [3, 13, 23, 33]
    assert all(isinstance(error, InvalidInput) for error in outcome if error is not None)
    expected = {each for place, each in enumerate(ids) if place % 10 != 3} | {"dec_alone"}
    assert DecisionReader(tmp_path).known([*ids, "dec_alone"]) == expected
    assert writer.status()["unwritten"] == 4


class FullLog:
    """A log on a full disk."""

    def commit(self, groups: Sequence[Rows]) -> list[ModelyardError | None]:
        return [StorageFull("no room")] * len(groups)


def test_everybody_learns_that_the_disk_is_full() -> None:
    async def work() -> None:
        writer = LogWriter(FullLog())  # type: ignore[arg-type]
        rows = Rows(1, {"id": ["dec_1"], "inputs": ["{}"]}, Together.shared)
        outcomes = await asyncio.gather(*[writer.append([rows]) for _ in range(5)], return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StorageFull] * 5

    asyncio.run(work())


TYPES = (DataType.FP16, DataType.FP32, DataType.FP64, DataType.INT8, DataType.UINT64, DataType.BOOL)


@given(st.data())
def test_arrays_go_the_way_of_lists(data: st.DataObject) -> None:
    """Requests of several callers, as arrays here and as lists there: read, split, put together, given to the model and told."""
    specs = tuple(
        FieldSpec(
            name=f"x{n}", type=kind, shape=data.draw(st.sampled_from([(), (2,), (2, 3)])), nullable=data.draw(st.booleans())
        )
        for n, kind in enumerate(data.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4)))
    )
    plan = InputPlan(Signature(inputs=specs, outputs=SIGNATURE.outputs))
    sides: tuple[list[Any], list[Any]] = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.integers(1, 3))
        finite = {"allow_nan": False, "allow_infinity": False}
        given_ = {
            s.name: data.draw(arrays(s.type.numpy, (rows, *s.shape), elements=finite if s.type.numpy.kind == "f" else None))
            for s in specs
        }
        places = data.draw(st.none() | st.lists(st.integers(0, rows - 1), min_size=1))
        for side, array in zip(sides, (True, False), strict=True):
            found, columns = plan.read(given_)
            assert found == rows
            columns = columns if array else [list(column) for column in columns]
            side.append(columns if places is None else inputs.rows_of(columns, places))
    some, others = inputs.merged(sides[0]), inputs.merged(sides[1])
    assert [list(column) for column in some] == others
    one, other = plan.batch(some), plan.batch(others)
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert np.array_equal(array, other[name])
        assert array.flags.writeable
        assert array.shape == other[name].shape


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_greatest_numbers_go_in_every_form(nullable: bool, shape: tuple[int, ...]) -> None:
    top = (1 << 64) - 1
    plan = InputPlan(Signature(inputs=(FieldSpec(name="n", type=DataType.UINT64, shape=shape, nullable=nullable),), outputs=()))
    for number in (1 << 63, top):
        given = [[number]] if shape else [number]
        tensor = TensorIn("n", [1, *shape], "UINT64", msgspec.Raw(b"[%d]" % number))
        for one in (given, np.array(given, np.uint64), tensor):
            _, columns = plan.read({"n": one})
            assert [list(column) for column in columns] == [given]
            assert plan.batch(columns)["n"].reshape(-1).tolist() == [number]
    for wrong in (top + 1, -1):
        for one in ([[wrong]] if shape else [wrong], TensorIn("n", [1, *shape], "UINT64", msgspec.Raw(b"[%d]" % wrong))):
            with pytest.raises(InvalidInput) as caught:
                plan.read({"n": one})
            assert caught.value.field == "n"


def test_arrays_of_single_rows_are_those_of_columns() -> None:
    plan = InputPlan(SIGNATURE)
    rows = [[1.0, [2.0, 3.0]], [4.0, [5.0, 6.0]]]
    together = plan.batch([[1.0, 4.0], [[2.0, 3.0], [5.0, 6.0]]])
    alone = plan.batch_of_rows(rows)
    assert all(np.array_equal(together[name], alone[name]) for name in plan.names)
