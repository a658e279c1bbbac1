"""Orders at a runtime whose control plane is silent: two processes, restarts, and everything that must not be acted on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from runtime_stage import ControlPlane, RunningRuntime

from modelyard.core.clock import ManualClock
from modelyard.core.digests import digest
from modelyard.core.errors import NotApproved, Untrusted
from modelyard.kinds.manifest import VersionManifest
from modelyard.runtime.cache import Cache, Highest
from modelyard.runtime.errors import SourceDown
from modelyard.runtime.orders import OrderDesk, at_home
from modelyard.runtime.ports import OrderReport
from modelyard.trust import Ed25519Signer, Purpose, TrustRoot, TrustRoots, sign_order, sign_routes, verify_routes
from modelyard.trust.statements import Arm, EndpointRoutes, Order

OPERATOR = Ed25519Signer.generate()
HOUR = timedelta(hours=1)


def order_of(epoch: int, arm: Arm | None = None, signer: Ed25519Signer = OPERATOR, **changes: Any) -> bytes:
    """An order to roll `hold` back, signed; to where it came from unless an arm is named."""
    now = datetime.now(UTC)
    named = ({"name": arm.name, "release": arm.release, "manifest": arm.manifest},) if arm else "previous"
    terms = {
        "id": f"ord_{time.monotonic_ns()}",
        "organisation": "default",
        "endpoint": "hold",
        "action": "rollback",
        "to": named,
        "base_epoch": epoch,
        "issued_by": "idn_omar",
        "issued_at": now,
        "until": now + HOUR,
        "reason": "it answers nonsense",
    }
    return sign_order(Order.model_validate(terms | changes), signer).envelope


def trusting(plane: ControlPlane, *operators: Ed25519Signer, endpoints: tuple[str, ...] = ()) -> None:
    """The roots file of a runtime: the platform's keys, and those of operators for orders about these endpoints."""
    now = datetime.now(UTC)
    window = now - timedelta(days=1), now + timedelta(days=30)
    platform = (Purpose.RELEASE, Purpose.ROUTES, Purpose.AUDIT)
    roots = [TrustRoot.of(plane.signer.public_key, platform, *window)]
    roots += [TrustRoot.of(key.public_key, (Purpose.ORDER,), *window, endpoints) for key in operators]
    plane.roots.write_bytes(TrustRoots(roots=tuple(roots)).to_json())


class Pair:
    """A runtime of two processes that has seen v1, then v2, and hears no more of its control plane."""

    def __init__(self, folder: Path) -> None:
        self.plane = ControlPlane(folder)
        trusting(self.plane, OPERATOR)
        self.first = self.plane.arm(10.0, "1", name="v1")
        self.second = self.plane.arm(20.0, "2", name="v2")
        self.plane.publish(self.plane.endpoint(self.first))
        self.runtime = RunningRuntime(self.plane, folder / "home", None, "--workers", "2")
        self.runtime.at_epoch(1)
        self.epoch = self.plane.publish(self.plane.endpoint(self.second))
        self.until_all_answer("2")

    def answers(self, times: int = 12) -> set[str]:
        """Who answers, on connections of their own, so that both processes are asked."""
        found = set()
        for _ in range(times):
            with httpx.Client(base_url=f"http://127.0.0.1:{self.runtime.port}", timeout=10) as client:
                body = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [0.0]} for n in ("a", "b")]}
                answer = client.post("/v2/models/hold/infer", json=body)
                found.add(answer.json()["model_version"] if answer.status_code == 200 else answer.text)
        return found

    def until_all_answer(self, version: str, within: float = 20.0) -> float:
        """Seconds until only that version answers."""
        began = time.monotonic()
        while self.answers() != {version}:
            assert time.monotonic() - began < within, self.runtime.log_text()[-3000:]
        return time.monotonic() - began

    def post(self, envelope: bytes) -> httpx.Response:
        return self.runtime.client.post("/orders", content=envelope)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    found = Pair(tmp_path_factory.mktemp("orders"))
    yield found
    assert found.runtime.stop() == 0


def test_an_order_rolls_every_process_back_and_outlives_restarts(pair: Pair) -> None:
    told = pair.runtime.client.get("/orders").json()
    assert told["epoch"] == pair.epoch
    assert told["endpoints"]["hold"]["previous"]["name"] == "v1"
    answer = pair.post(order_of(pair.epoch))
    assert answer.status_code == 200, answer.text
    assert [arm["name"] for arm in answer.json()["arms"]] == ["v1"]
    assert pair.until_all_answer("1") < 3.0  # seen within a moment; the rest is the machine's load
    pair.runtime.stop()
    pair.runtime.start()
    pair.until_all_answer("1")
    assert [o["active"] for o in pair.runtime.client.get("/orders").json()["orders"]] == [True]


def test_a_snapshot_that_took_the_order_in_ends_it(pair: Pair) -> None:
    orders = pair.runtime.client.get("/orders").json()["orders"]
    assert [o["active"] for o in orders] == [True]
    # Signed again without knowing of the order: it holds.
    again = pair.plane.publish(pair.plane.endpoint(pair.second))
    pair.runtime.at_epoch(again)
    assert pair.answers() == {"1"}
    # The order was taken in, and somebody wants v2 all the same.
    settled = pair.plane.publish(pair.plane.endpoint(pair.second), settled=(orders[0]["order"],))
    pair.runtime.at_epoch(settled)
    pair.until_all_answer("2")
    pair.epoch = settled
    # That very order does not come back.
    [kept] = list((pair.runtime.home / "orders").glob("*.dsse.json"))
    answer = pair.post(kept.read_bytes())
    assert answer.status_code == 403
    assert "ended" in answer.json()["error"]
    assert pair.answers() == {"2"}


def test_an_order_that_lies_in_the_folder_is_taken_in(pair: Pair) -> None:
    incoming = pair.runtime.home / "orders" / "incoming"
    (incoming / ".tmp").write_bytes(order_of(pair.epoch))
    (incoming / ".tmp").rename(incoming / "one.dsse.json")
    answer = incoming / "one.answer.json"
    pair.runtime.until(answer.exists, "nobody looked into the folder")
    assert json.loads(answer.read_text())["taken"] is True
    pair.until_all_answer("1")
    assert at_home(pair.runtime.home)["endpoints"]["hold"]["arms"][0]["name"] == "v2"  # as signed
    (incoming / "two.dsse.json").write_bytes(b"{}")
    refused = incoming / "two.answer.json"
    pair.runtime.until(refused.exists, "nobody looked into the folder")
    assert json.loads(refused.read_text())["taken"] is False


# ---- one process of the runtime, without HTTP ----------------------------------------------------------------------


class Desk:
    """The order desk of a runtime over a real cache, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.plane = ControlPlane(folder)
        trusting(self.plane, OPERATOR)
        self.clock = ManualClock(datetime.now(UTC))
        self.home = folder / "home"
        self.cache = Cache(self.home / "cache")
        self.refused: list[str] = []
        self.arms = {n: self.plane.arm(10.0 * n, str(n), name=f"v{n}") for n in (1, 2, 3)}
        self.desk = self.opened()

    def opened(self) -> OrderDesk:
        desk = OrderDesk(self.home, "runtime-1", self.plane.roots, self.cache, self.clock)
        desk.refused = lambda error, endpoint: self.refused.append(f"{error.code} {endpoint}")
        return desk

    def accept(self, *arms: Arm, **snapshot: Any) -> int:
        """The runtime accepts the next snapshot, with all that belongs to it."""
        found = self.plane.snapshot(self.plane.endpoint(*arms), **snapshot)
        signed = sign_routes(found, self.plane.signer)
        self.cache.accept(signed.envelope, Highest(found.epoch, signed.digest))
        for arm in arms:
            name = arm.release.removeprefix("sha256:")
            self.cache.keep_release(arm.release, (self.plane.published / "releases" / f"{name}.dsse.json").read_bytes())
            manifest = (self.plane.published / "manifests" / f"{arm.manifest.removeprefix('sha256:')}.json").read_bytes()
            self.cache.keep_blob(arm.manifest, iter([manifest]), len(manifest))
            artifact = self.artifact(arm)
            self.cache.keep_blob(artifact, iter([self.plane.blob_path(artifact).read_bytes()]), 1 << 20)
        return found.epoch

    def artifact(self, arm: Arm) -> str:
        """The digest of what an arm serves."""
        path = self.plane.published / "manifests" / f"{arm.manifest.removeprefix('sha256:')}.json"
        return VersionManifest.model_validate_json(path.read_bytes()).serving.digest

    def serves(self) -> list[str]:
        envelope = self.cache.routes()
        assert envelope is not None
        roots = TrustRoots.from_json(self.plane.roots.read_bytes())
        found: tuple[EndpointRoutes, ...] = self.desk.overlaid(
            verify_routes(envelope, roots, self.clock.now())
        ).snapshot.endpoints
        self.desk.accepted()
        return [arm.name for arm in found[0].arms]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_orders_hold_until_their_end_and_no_longer(desk: Desk) -> None:
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    desk.desk.take(order_of(epoch))
    assert desk.serves() == ["v1"]
    assert not desk.desk.tend()
    desk.clock.advance(HOUR + timedelta(minutes=1))
    assert desk.desk.tend()  # something has changed without anybody saying so
    assert desk.serves() == ["v2"]
    assert not desk.desk.tend()
    desk.desk = desk.opened()
    assert desk.serves() == ["v2"]


def bad_orders() -> list[tuple[str, Callable[[int, dict[int, Arm]], bytes], str]]:
    stranger = Ed25519Signer.generate()
    now = datetime.now(UTC)
    return [
        ("forged", lambda epoch, arms: order_of(epoch, signer=stranger), "unknown_key"),
        ("altered", lambda epoch, arms: order_of(epoch).replace(b'"sig":"', b'"sig":"A'), "malformed"),
        ("empty", lambda epoch, arms: b"", "malformed"),
        ("huge", lambda epoch, arms: order_of(epoch) + b" " * (1 << 20), "malformed"),
        ("expired", lambda epoch, arms: order_of(epoch, issued_at=now - 2 * HOUR, until=now - HOUR), "not_approved"),
        ("future", lambda epoch, arms: order_of(epoch, issued_at=now + HOUR, until=now + 2 * HOUR), "wrong_statement"),
        ("of a newer epoch", lambda epoch, arms: order_of(epoch + 1), "not_approved"),
        ("of an older epoch", lambda epoch, arms: order_of(epoch - 1), "not_approved"),
        ("for another endpoint", lambda epoch, arms: order_of(epoch, endpoint="other"), "not_approved"),
        ("of another organisation", lambda epoch, arms: order_of(epoch, organisation="other"), "not_approved"),
        ("to a version that never served", lambda epoch, arms: order_of(epoch, arms[3]), "not_approved"),
        (
            "no order",
            lambda epoch, arms: b'{"payload": "e30=", "payloadType": "x", "signatures": [{"sig": "e30="}]}',
            "malformed",
        ),
    ]


@pytest.mark.parametrize(("name", "made", "code"), bad_orders(), ids=[name for name, _, _ in bad_orders()])
def test_what_must_not_be_acted_on_is_not(desk: Desk, name: str, made: Callable[[int, dict[int, Arm]], bytes], code: str) -> None:
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    with pytest.raises((Untrusted, NotApproved)) as refused:
        desk.desk.take(made(epoch, desk.arms))
    assert refused.value.status == 403
    assert [told.split()[0] for told in desk.refused] == [code], name
    assert desk.serves() == ["v2"]
    assert desk.desk.book.known() == {}


def test_a_release_that_ended_or_was_revoked_keeps_an_order_out(desk: Desk) -> None:
    narrow = desk.plane.arm(50.0, "5", name="v5", greatest_share=0.5)
    for old, clause in ((narrow, "share"), (desk.arms[1], "revoked")):
        desk.accept(old)
        epoch = desk.accept(desk.arms[2], revoked=(desk.arms[1].release,))
        with pytest.raises(NotApproved) as refused:
            desk.desk.take(order_of(epoch, old))
        assert refused.value.field == clause
        assert desk.serves() == ["v2"]


def test_a_lost_key_ends_its_orders(desk: Desk) -> None:
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    desk.desk.take(order_of(epoch))
    assert desk.serves() == ["v1"]
    trusting(desk.plane)
    assert desk.desk.tend()
    assert desk.serves() == ["v2"]
    trusting(desk.plane, OPERATOR)
    assert desk.serves() == ["v2"]


def test_a_key_that_is_trusted_for_other_endpoints_orders_nothing_here(desk: Desk) -> None:
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    trusting(desk.plane, OPERATOR, endpoints=("pay", "hold"))
    desk.desk.take(order_of(epoch))
    assert desk.serves() == ["v1"]
    trusting(desk.plane, OPERATOR, endpoints=("pay",))
    assert desk.desk.tend()
    assert desk.serves() == ["v2"], "and what it ordered before has ended"
    with pytest.raises(Untrusted, match="may give orders for pay, not for hold"):
        desk.desk.take(order_of(epoch, id="ord_second"))
    assert [told.split()[0] for told in desk.refused] == ["wrong_endpoint"]


def test_an_older_snapshot_says_nothing_of_an_order(desk: Desk) -> None:
    """Who brings back an old snapshot must not end an order by it."""
    desk.accept(desk.arms[1])
    old = desk.cache.routes()
    epoch = desk.accept(desk.arms[2])
    desk.desk.take(order_of(epoch))
    roots = TrustRoots.from_json(desk.plane.roots.read_bytes())
    assert old is not None
    desk.desk.overlaid(verify_routes(old, roots, desk.clock.now()))
    assert desk.serves() == ["v1"]


def test_orders_are_handed_over_once_somebody_takes_them(desk: Desk) -> None:
    class Plane:
        def __init__(self) -> None:
            self.up, self.got = False, list[OrderReport]()

        def report_orders(self, orders: list[OrderReport]) -> set[str]:
            if not self.up:
                raise SourceDown("away")
            self.got += orders
            return {order.digest for order in orders}

    plane: Any = Plane()
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    envelope = order_of(epoch)
    desk.desk.take(envelope)
    desk.desk.hand_over(plane)
    assert plane.got == []
    plane.up = True
    desk.opened().hand_over(plane)
    desk.desk.hand_over(plane)
    [report] = plane.got
    assert (report.envelope, report.runtime, report.epoch) == (envelope.decode(), "runtime-1", epoch)
    assert datetime.fromisoformat(report.taken_at) == desk.clock.now()


def test_orders_that_are_done_with_are_forgotten_after_days(desk: Desk) -> None:
    desk.accept(desk.arms[1])
    epoch = desk.accept(desk.arms[2])
    for number in (1, 2):
        desk.desk.take(order_of(epoch, desk.arms[1], id=f"ord_number_{number}"))
    first, _ = desk.desk.book.known()
    desk.desk.book.tell(first)
    desk.clock.advance(timedelta(days=3))
    assert desk.serves() == ["v2"]
    assert len(desk.opened().book.known()) == 1  # nobody was told of the other
    assert {path.name.split(".")[0] for path in desk.desk.book.folder.glob("*.*") if not path.name.startswith(".")} == {
        next(iter(desk.opened().book.known())).removeprefix("sha256:")
    }


def test_the_cache_keeps_the_snapshots_it_accepted(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for epoch in range(1, 61):
        cache.accept(str(epoch).encode(), Highest(epoch, digest(b"x")))
    cache.accept(b"older", Highest(3, digest(b"x")))
    assert cache.history() == [str(epoch).encode() for epoch in range(11, 61)]


def test_routes_that_were_only_signed_again_do_not_push_out_where_back_is(desk: Desk) -> None:
    desk.accept(desk.arms[1])
    base = desk.accept(desk.arms[2])
    for _ in range(60):
        epoch = desk.accept(desk.arms[2])
    assert len(desk.cache.history()) == 3
    for order in (order_of(epoch), order_of(base + 30, desk.arms[1])):  # also one made against an epoch that was let go of
        assert [arm["name"] for arm in desk.desk.take(order)["arms"]] == ["v1"]
    assert desk.serves() == ["v1"]
