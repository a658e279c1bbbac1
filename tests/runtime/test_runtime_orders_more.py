"""Orders at a runtime, further: what is kept for them, who takes them on late, and clocks that step."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from runtime_stage import ControlPlane
from structlog.testing import capture_logs
from test_runtime_orders import HOUR, OPERATOR, Desk, order_of, trusting

from modelyard.core.errors import ModelyardError, NotApproved, StorageFull
from modelyard.runtime import cache as kept_at_home
from modelyard.runtime.cache import Cache, Highest
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.errors import SourceDown, TokenRefused
from modelyard.runtime.orders import at_home
from modelyard.runtime.ports import OrderReport
from modelyard.trust import TrustRoots, sign_routes, verify_routes
from modelyard.trust.errors import UnknownKey
from modelyard.trust.statements import Arm, EndpointRoutes


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


class FullDisk:
    """The kernel takes no byte of any file, as where there is no room."""

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


@pytest.mark.parametrize("altered", [False, True])
def test_nobody_is_sent_back_to_what_is_not_on_this_machine(tmp_path: Path, altered: bool) -> None:
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    [artifact] = desk.home.rglob(desk.artifact(desk.arms[1]).removeprefix("sha256:"))
    if altered:
        artifact.write_bytes(artifact.read_bytes() + b" ")
    else:
        artifact.unlink()
    with pytest.raises(NotApproved, match="v1 is not on this machine any more"):
        desk.desk.take(order_of(epoch))
    assert desk.serves() == ["v2"]
    assert desk.desk.book.known() == {}


def test_an_order_that_cannot_be_kept_is_no_order_that_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    order = order_of(desk.accept(desk.arms[2]))
    with FullDisk(), capture_logs(), pytest.raises(StorageFull, match="no room to write"):
        desk.desk.take(order)
    assert desk.refused == []
    assert desk.serves() == ["v2"]
    assert [arm["name"] for arm in desk.desk.take(order)["arms"]] == ["v1"]
    assert desk.serves() == ["v1"]


def test_an_order_that_came_while_routes_were_refused_is_looked_at_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    sibling = desk.opened()
    assert desk.serves() == ["v2"]
    sibling.take(order_of(epoch))
    assert desk.desk.changed()
    envelope = desk.cache.routes()
    assert envelope is not None
    desk.desk.overlaid(verify_routes(envelope, TrustRoots.from_json(desk.plane.roots.read_bytes()), desk.clock.now()))
    assert desk.desk.changed(), "those routes were not accepted"
    assert desk.serves() == ["v1"]
    assert not desk.desk.changed()


def test_an_order_that_another_process_forgets_just_now_is_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.accept(desk.arms[1])
    desk.desk.take(order_of(desk.accept(desk.arms[2])))
    [digest] = desk.desk.book.known()
    gone = desk.desk.book.folder / f"{'0' * 64}.dsse.json"
    gone.symlink_to("nothing")  # as it looks to whoever listed the folder a moment ago
    for book in (desk.desk.book, desk.opened().book):
        assert list(book.known()) == [digest]
        assert [told[0] for told in book.untold()] == [digest]


def test_who_gives_an_order_hears_that_nothing_answers_there(tmp_path: Path) -> None:
    """The champion that the order leads back to was never one that could be loaded."""
    plane = ControlPlane(tmp_path)
    trusting(plane, OPERATOR)
    runtime = Runtime(Settings(tmp_path / "home", str(plane.published), plane.roots, "one"))
    manifest = plane.version(b"no model at all")
    broken = plane.arm(10.0, "1", name="v1").model_copy(
        update={"release": plane.release(manifest, "1"), "manifest": manifest.digest()}
    )
    plane.publish(plane.endpoint(broken))
    runtime.step()
    epoch = plane.publish(plane.endpoint(plane.arm(20.0, "2", name="v2")))
    runtime.step()
    told = runtime._orders.take(order_of(epoch))
    assert [arm["name"] for arm in told["arms"]] == list(told["missing"]) == ["v1"]
    assert "no known model format" in told["missing"]["v1"]
    runtime.stop()


def test_a_version_is_taken_back_on_a_full_disk(tmp_path: Path) -> None:
    """What is revoked serves no more, and a rollback comes, though neither can be written down before there is room."""
    plane = ControlPlane(tmp_path)
    runtime = Runtime(Settings(tmp_path / "home", str(plane.published), plane.roots, "one"))
    cache = Cache(tmp_path / "home" / "cache")
    first, second = (plane.arm(10.0 * n, str(n), name=f"v{n}") for n in (1, 2))

    def routes(*arms: Arm, **more: Any) -> bytes:
        return sign_routes(plane.snapshot(plane.endpoint(*arms), **more), plane.signer).envelope

    def live(envelope: bytes, wait: float = 0.0) -> tuple[int, str, bool]:
        plane.put(envelope)
        with FullDisk() if not wait else nullcontext(), capture_logs():
            runtime.step(wait)
        assert runtime.app.table is not None
        [slot] = runtime.app.table.endpoints["hold"].live
        return runtime.app.table.epoch, slot.name, slot.arm is not None

    older = routes(first)
    plane.put(older)
    runtime.step()
    plane.put(routes(second))
    runtime.step()
    assert live(routes(second, revoked=(second.release,))) == (3, "v2", False)
    newest = routes(first)
    assert live(newest) == (4, "v1", True)
    assert live(older) == (4, "v1", True), "an older snapshot is an older one, written down or not"
    assert cache.highest().epoch == 2
    assert live(older, wait=5.0) == (4, "v1", True)
    assert cache.highest().epoch == 4
    assert cache.routes() == newest
    runtime.stop()
