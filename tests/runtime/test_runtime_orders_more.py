"""Orders at a runtime, further: what is kept for them, who takes them on late, and clocks that step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from runtime_stage import ControlPlane
from test_runtime_orders import HOUR, OPERATOR, Desk, order_of, trusting

from modelyard.core.errors import ModelyardError, NotApproved
from modelyard.runtime import cache as kept_at_home
from modelyard.runtime.cache import Cache, Highest
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.errors import SourceDown, TokenRefused
from modelyard.runtime.orders import at_home
from modelyard.runtime.ports import OrderReport
from modelyard.trust import TrustRoots, sign_routes, verify_routes
from modelyard.trust.errors import UnknownKey
from modelyard.trust.statements import EndpointRoutes


def accept(cache: Cache, plane: ControlPlane, *endpoints: EndpointRoutes) -> None:
    snapshot = plane.snapshot(*endpoints)
    signed = sign_routes(snapshot, plane.signer)
    cache.accept(signed.envelope, Highest(snapshot.epoch, signed.digest))


def test_a_busy_endpoint_does_not_push_out_where_a_quiet_one_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With fewer states the same holds, in a fraction of the time: each change reads what is kept.
    monkeypatch.setattr(kept_at_home, "HISTORY", few := 10)
    plane = ControlPlane(tmp_path)
    cache = Cache(tmp_path / "home" / "cache")
    arms = [plane.arm(bias, str(bias), name=f"v{bias:.0f}") for bias in (1.0, 2.0)]
    accept(cache, plane, plane.endpoint(arms[0], name="quiet"), plane.endpoint(arms[0], name="busy"))
    quiet = plane.endpoint(arms[1], name="quiet")
    for turn in range(3 * few):
        accept(cache, plane, quiet, plane.endpoint(arms[turn % 2], name="busy"))
    told = at_home(tmp_path / "home")["endpoints"]
    assert told["quiet"]["previous"]["name"] == "v1"
    assert [arm["name"] for arm in told["quiet"]["champions"]] == ["v2", "v1"]
    kept = len(cache.history())
    assert few <= kept <= 2 * few + 4  # of each run two at the most, and the quiet endpoint's own
    assert kept == len(Cache(tmp_path / "home" / "cache").history())
    # Where an endpoint is gone, its own past is not kept for ever.
    for turn in range(few + 1):
        accept(cache, plane, plane.endpoint(arms[turn % 2], name="busy"))
    assert len(cache.history()) <= 2 * few


class Deaf:
    """A control plane that answers, and takes no order; `error` is what it says instead."""

    def __init__(self) -> None:
        self.asked, self.takes = 0, False
        self.error: ModelyardError | None = None

    def report_orders(self, orders: Sequence[OrderReport]) -> set[str]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {order.digest for order in orders} if self.takes else set()


@pytest.mark.parametrize("error", [None, UnknownKey("no trust root"), TokenRefused("the control plane answered 403")])
def test_what_is_not_taken_is_brought_again_ever_more_seldom(tmp_path: Path, error: ModelyardError | None) -> None:
    desk, plane = Desk(tmp_path), cast("Any", Deaf())
    plane.error = error
    desk.accept(desk.arms[1])
    desk.desk.take(order_of(desk.accept(desk.arms[2])))
    for _ in range(2 * 3600 // 2):  # two hours of turns
        desk.desk.hand_over(plane)
        desk.clock.advance(timedelta(seconds=2))
    assert plane.asked == 12  # at once, then 2 s later, 4 s, … and 2048 s, at 4094 s; the next rest would end after the two hours
    [told] = desk.desk.present()["orders"]
    assert timedelta(0) < datetime.fromisoformat(told["next_attempt"]) - desk.clock.now() <= HOUR
    # A clock that was stepped back keeps nothing waiting for longer than its rest.
    desk.clock.advance(-2 * HOUR)
    desk.desk.hand_over(plane)
    assert plane.asked == 13
    plane.takes, plane.error = True, None
    desk.clock.advance(HOUR)
    desk.desk.hand_over(plane)
    desk.desk.hand_over(plane)
    assert plane.asked == 14
    assert desk.desk.present()["orders"][0]["next_attempt"] is None


def test_where_nobody_answers_no_order_rests(tmp_path: Path) -> None:
    """What comes back must hear of the order before it tells of routes."""
    desk, plane = Desk(tmp_path), cast("Any", Deaf())
    plane.error = SourceDown("away")
    desk.accept(desk.arms[1])
    desk.desk.take(order_of(desk.accept(desk.arms[2])))
    for _ in range(20):
        desk.desk.hand_over(plane)
    assert plane.asked == 20


def test_a_clock_that_is_stepped_back_brings_no_order_back(tmp_path: Path) -> None:
    """Not even where the marks of its end are gone and the arms are what they were: a signed snapshot says how late it is."""
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    envelope = order_of(epoch)
    digest = desk.desk.take(envelope)["order"]
    assert desk.serves() == ["v1"]
    desk.clock.advance(HOUR + timedelta(minutes=1))
    desk.accept(desk.arms[2], issued_at=desk.clock.now())
    assert desk.serves() == ["v2"]
    for path in desk.desk.book.folder.glob("*.*"):
        path.unlink()
    desk.clock.advance(timedelta(minutes=-3))  # two minutes before the order's end; the snapshot is within what clocks may differ
    for again in (desk.desk, desk.opened()):
        desk.desk = again
        with pytest.raises(NotApproved, match="ran out"):
            again.take(envelope)
        assert again.book.known() == {}
        assert desk.serves() == ["v2"]
    desk.desk = desk.opened()
    desk.desk.book.add(digest, envelope, desk.clock.now())  # as if only the mark of its end were gone
    assert desk.serves() == ["v2"]
    assert [o["active"] for o in desk.desk.present()["orders"]] == [False]


def test_a_damaged_snapshot_at_home_keeps_no_newer_one_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    desk.desk.take(order_of(desk.accept(desk.arms[2]), reason="held"))
    newest = desk.cache.routes()
    assert newest is not None
    (desk.home / "cache" / "routes.dsse.json").write_bytes(newest[:100])
    roots = TrustRoots.from_json(desk.plane.roots.read_bytes())
    routes = desk.opened().overlaid(verify_routes(newest, roots, desk.clock.now()))
    assert [arm.name for arm in routes.snapshot.endpoints[0].arms] == ["v1"]


def test_what_cannot_be_read_keeps_no_order_out_that_lies_behind_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    incoming = desk.desk.book.incoming
    (incoming / "a.dsse.json").mkdir()
    (incoming / "b.dsse.json").write_bytes(order_of(epoch))
    assert desk.desk.tend()
    assert desk.serves() == ["v1"]
    assert b"cannot be read" in (incoming / "a.answer.json").read_bytes()
    assert not (incoming / "b.dsse.json").exists()


def test_what_cannot_be_answered_keeps_no_order_out_that_lies_behind_it(tmp_path: Path) -> None:
    """As on a full disk: here a folder lies where the answer should go."""
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    incoming = desk.desk.book.incoming
    (incoming / "a.dsse.json").write_bytes(b"no order")
    (incoming / "a.answer.json").mkdir()
    (incoming / "b.dsse.json").write_bytes(order_of(epoch))
    assert desk.desk.tend()
    assert desk.serves() == ["v1"]
    assert (incoming / "a.dsse.json").exists(), "it is answered when that is possible"


class Sibling:
    """A process of the home that looks at orders while another one is in the middle of accepting a snapshot, as any may."""

    def __init__(self, plane: ControlPlane, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.one, self.two = (Runtime(Settings(home, str(plane.published), plane.roots, name)) for name in ("one", "two"))
        self._looking = False
        self.served: list[str] = []
        accept = Cache.accept

        def interrupted(cache: Cache, envelope: bytes, highest: Highest) -> None:
            self._look()
            accept(cache, envelope, highest)
            self._look()

        monkeypatch.setattr(Cache, "accept", interrupted)

    def step(self) -> None:
        for runtime in (self.one, self.two):
            runtime.step()

    def serves(self, runtime: Runtime) -> str:
        assert runtime.app.table is not None
        [slot] = runtime.app.table.endpoints["hold"].live
        return slot.name

    def _look(self) -> None:
        desk = self.two._orders
        if not self._looking and self.two.app.table is not None:
            self._looking = True
            if desk.tend():
                desk.again()
            self.served.append(self.serves(self.two))
            self._looking = False


def test_what_an_order_took_back_does_not_flicker_up_when_it_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process sees the snapshot that took the order in; the other one has the old snapshot still, and goes by the order."""
    plane = ControlPlane(tmp_path)
    trusting(plane, OPERATOR)
    both = Sibling(plane, tmp_path / "home", monkeypatch)
    first, second = (plane.arm(10.0 * n, str(n), name=f"v{n}") for n in (1, 2))
    plane.publish(plane.endpoint(first))
    both.step()
    epoch = plane.publish(plane.endpoint(second))
    both.step()
    order = both.one._orders.take(order_of(epoch))["order"]
    both.two._orders.again()
    assert [both.serves(runtime) for runtime in (both.one, both.two)] == ["v1", "v1"]
    both.served.clear()
    plane.publish(plane.endpoint(first), settled=(order,))
    both.one.step()
    assert both.served
    assert set(both.served) == {"v1"}
    assert [refused for runtime in (both.one, both.two) for refused in runtime._spool.waiting()] == []
    # Whose order it was has ended: the next snapshot is followed as it stands, by both.
    plane.publish(plane.endpoint(second), settled=(order,))
    both.step()
    assert [both.serves(runtime) for runtime in (both.one, both.two)] == ["v2", "v2"]
    assert [o["active"] for o in both.one._orders.present()["orders"]] == [False]
    for runtime in (both.one, both.two):
        runtime.stop()


def test_a_process_that_hears_of_no_newer_routes_goes_by_those_that_another_one_accepted(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    trusting(plane, OPERATOR)
    one, two = (Runtime(Settings(tmp_path / "home", str(plane.published), plane.roots, name)) for name in ("one", "two"))
    first, second = (plane.arm(10.0 * n, str(n), name=f"v{n}") for n in (1, 2))
    plane.publish(plane.endpoint(first))
    for runtime in (one, two):
        runtime.step()
    epoch = plane.publish(plane.endpoint(second))
    one.step()  # and with this the control plane falls silent
    told = two._orders.take(order_of(epoch))
    assert [arm["name"] for arm in told["arms"]] == ["v1"]
    assert two.app.table is not None
    assert two.app.table.epoch == epoch
    # What lies in the folder is damaged: what the process has itself stands.
    (tmp_path / "home" / "cache" / "routes.dsse.json").write_bytes(b"{")
    two._orders.again()
    assert [slot.name for slot in two.app.table.endpoints["hold"].live] == ["v1"]
    for runtime in (one, two):
        runtime.stop()
