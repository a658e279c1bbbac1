"""Orders of operators and batches: what was taken back or stopped at a place does not go on to score there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelyard.core.clock import SystemClock
from modelyard.core.errors import NotApproved
from modelyard.runtime.batch import Batches
from modelyard.runtime.batch.released import Plane
from modelyard.runtime.cache import Cache
from modelyard.runtime.orders import OrderDesk
from modelyard.trust import Ed25519Signer, Purpose, TrustRoot, TrustRoots, sign_order
from modelyard.trust.statements import Order, OrderAction
from tests.batch.batch_stage import Stage, rows

OPERATOR = Ed25519Signer.generate()
DAY = timedelta(days=1)


def rollback(epoch: int) -> bytes:
    """An operator's order to take `hold` back to where it came from."""
    now = datetime.now(UTC)
    order = Order(
        id=f"ord_{now:%H%M%S%f}",
        organisation="default",
        endpoint="hold",
        action=OrderAction.ROLLBACK,
        to="previous",
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
