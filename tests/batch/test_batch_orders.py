"""Orders of operators and batches: what was taken back or stopped at a place does not go on to score there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelyard.core.clock import SystemClock
from modelyard.core.errors import NotApproved
from modelyard.runtime.batch import Batches
from modelyard.runtime.batch.engines import Engine, Inline, Processes
from modelyard.runtime.batch.on_ray import OnRay
from modelyard.runtime.batch.released import Plane
from modelyard.runtime.cache import Cache
from modelyard.runtime.orders import OrderDesk
from modelyard.trust import Ed25519Signer, Purpose, TrustRoot, TrustRoots, sign_order
from modelyard.trust.statements import Arm, ArmRole, Order, OrderAction, OrderArm
from tests.batch.batch_stage import Stage, rows

OPERATOR = Ed25519Signer.generate()
DAY = timedelta(days=1)


def rollback(epoch: int, *stopped: Arm) -> bytes:
    """An operator's order to take `hold` back to where it came from, or to stop these arms."""
    now = datetime.now(UTC)
    order = Order(
        id=f"ord_{now:%H%M%S%f}",
        organisation="default",
        endpoint="hold",
        action=OrderAction.STOP if stopped else OrderAction.ROLLBACK,
        to=tuple(OrderArm(name=a.name, release=a.release, manifest=a.manifest) for a in stopped) or "previous",
        base_epoch=epoch,
        issued_by="idn_omar",
        issued_at=now,
        until=now + timedelta(hours=1),
        reason="it answers nonsense",
    )
    return sign_order(order, OPERATOR).envelope


def trusting(stage: Stage, *operators: Ed25519Signer) -> None:
    """The roots file of the place: the platform's key, and those of operators for orders."""
    now = datetime.now(UTC)
    platform = (Purpose.RELEASE, Purpose.ROUTES, Purpose.AUDIT)
    roots = [TrustRoot.of(stage.plane.signer.public_key, platform, now - DAY, now + DAY)]
    roots += [TrustRoot.of(key.public_key, (Purpose.ORDER,), now - DAY, now + DAY) for key in operators]
    stage.plane.roots.write_bytes(TrustRoots(roots=tuple(roots)).to_json())


@pytest.fixture
def moved(stage: Stage) -> Stage:
    """A place that has answered with v1, and has seen v2 since."""
    trusting(stage, OPERATOR)
    plane = Plane(stage.place, SystemClock())
    models, _ = plane.predictors(plane.now("hold").endpoint.arms)
    models.close()
    second = stage.plane.arm(99.0, version="ver_2", name="v2")
    stage.plane.publish(stage.plane.endpoint(second))
    Plane(stage.place, SystemClock()).now("hold")
    return stage


def desk(stage: Stage) -> OrderDesk:
    """That of the runtime at the same place."""
    home = stage.place.home
    return OrderDesk(home, "rt", stage.place.trust_roots, Cache(home / "cache"), SystemClock())


@pytest.mark.parametrize("silent", [False, True])
def test_an_order_ends_a_batch_at_the_next_part_and_it_is_gone_on_with_later(moved: Stage, silent: bool) -> None:
    order = moved.order(moved.write(rows(500)))
    routes = moved.plane.published / "routes.dsse.json"
    kept = routes.read_bytes()

    def roll_back(progress: Any) -> None:
        if progress.parts == 2:
            desk(moved).take(rollback(moved.plane.epoch))
            if silent:
                routes.unlink()

    with pytest.raises(NotApproved, match="order took it back: it answers nonsense"):
        Batches(moved.place, told=roll_back).run(order)
    assert moved.output().num_rows == moved.logged().num_rows == 200
    routes.write_bytes(kept)
    with pytest.raises(NotApproved, match="order took it back"):
        Batches(moved.place).run(order)
    assert moved.output().num_rows == 200
    book = desk(moved).book
    book.end(next(iter(book.current())), "an end for the test", SystemClock().now())
    result = Batches(moved.place).run(order)
    assert (result.resumed, result.answered, result.by_arm) == (2, 500, {"v2": 500})


def test_a_batch_that_begins_under_an_order_is_answered_by_who_was_brought_back(moved: Stage) -> None:
    table = rows(150)
    desk(moved).take(rollback(moved.plane.epoch))
    result = Batches(moved.place).run(moved.order(moved.write(table)))
    assert result.by_arm == {"v1": 150}
    moved.require_whole(result, table)


def test_a_batch_that_does_not_trust_the_operator_leaves_the_order_to_the_runtime(moved: Stage) -> None:
    runtime = desk(moved)
    runtime.take(rollback(moved.plane.epoch))
    trusting(moved)  # other roots than when the runtime took it in
    assert Batches(moved.place).run(moved.order(moved.write(rows(100)))).by_arm == {"v2": 100}
    assert len(runtime.book.current()) == 1
    trusting(moved, OPERATOR)
    assert [order["active"] for order in runtime.present()["orders"]] == [True]


@pytest.fixture
def shared(stage: Stage) -> tuple[Stage, Arm]:
    """A place where v1 and v2 share the rows, and the challenger."""
    trusting(stage, OPERATOR)
    champion = stage.plane.arm(10.0, version="ver_1", name="v1", share=0.5)
    challenger = stage.plane.arm(99.0, version="ver_2", name="v2", role=ArmRole.CHALLENGER, share=0.5)
    stage.plane.publish(stage.plane.endpoint(champion, challenger))
    Plane(stage.place, SystemClock()).now("hold")
    return stage, challenger


def require_logged(stage: Stage, output: Any) -> None:
    """Every answer is logged, once; a part that ended processes had logged and not yet published may be in the log besides."""
    logged, answered = stage.logged()["id"].to_pylist(), output["decision_id"].to_pylist()
    assert len(logged) == len(set(logged))
    assert set(answered) <= set(logged)
    assert len(logged) - len(answered) <= 4 * 100


ENGINES = [pytest.param(Inline, id="inline"), pytest.param(lambda: Processes(2), id="processes")]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stopped_arm_answers_no_further_part_of_a_batch(shared: tuple[Stage, Arm], engine: Callable[[], Engine]) -> None:
    require_stopped(*shared, engine)


@pytest.mark.slow
def test_a_stopped_arm_answers_no_further_part_of_a_batch_on_ray(shared: tuple[Stage, Arm], cluster: Any) -> None:
    require_stopped(*shared, lambda: OnRay(2, None))


def require_stopped(stage: Stage, challenger: Arm, engine: Callable[[], Engine]) -> None:
    order = stage.order(stage.write(rows(3000)), shares=True, key="customer")
    done_then: list[int] = []

    def stop(progress: Any) -> None:
        if progress.parts == 2:
            desk(stage).take(rollback(stage.plane.epoch, challenger))
            done_then.append(progress.parts)

    with pytest.raises(NotApproved, match="order"):
        Batches(stage.place, engine(), told=stop).run(order)
    assert done_then == [2]
    left = stage.output()
    assert 200 <= left.num_rows < 1500, "what processes had in hand is all that came to its end"
    require_logged(stage, left)
    with pytest.raises(NotApproved, match="order"):
        Batches(stage.place, engine()).run(order)
    assert stage.output().num_rows == left.num_rows
    stage.out = stage.folder / "anew"
    anew = Batches(stage.place, engine()).run(stage.order(stage.folder / "in.parquet", shares=True, key="customer"))
    assert anew.by_arm == {"v1": 3000}, "who is left answers all of a batch that begins under the order"


def test_a_rollback_holds_in_all_processes_of_a_batch(moved: Stage) -> None:
    require_rolled_back(moved, lambda: Processes(2))


@pytest.mark.slow
def test_a_rollback_holds_in_all_actors_of_a_batch(moved: Stage, cluster: Any) -> None:
    require_rolled_back(moved, lambda: OnRay(2, None))


def require_rolled_back(moved: Stage, engine: Callable[[], Engine]) -> None:
    order = moved.order(moved.write(rows(3000)))

    def roll_back(progress: Any) -> None:
        if progress.parts == 2:
            desk(moved).take(rollback(moved.plane.epoch))

    with pytest.raises(NotApproved, match="order took it back"):
        Batches(moved.place, engine(), told=roll_back).run(order)
    left = moved.output()
    assert 200 <= left.num_rows < 1500
    require_logged(moved, left)
    with pytest.raises(NotApproved, match="order took it back"):
        Batches(moved.place, engine()).run(order)
    moved.out = moved.folder / "anew"
    result = Batches(moved.place, engine()).run(moved.order(moved.folder / "in.parquet"))
    assert result.by_arm == {"v1": 3000}
