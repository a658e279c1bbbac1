"""Orders at a runtime, further: what is kept for them, who takes them on late, and clocks that step."""

from __future__ import annotations

from pathlib import Path

from runtime_stage import ControlPlane

from modelyard.runtime.cache import HISTORY, Cache, Highest
from modelyard.runtime.orders import at_home
from modelyard.trust import sign_routes
from modelyard.trust.statements import EndpointRoutes


def accept(cache: Cache, plane: ControlPlane, *endpoints: EndpointRoutes) -> None:
    snapshot = plane.snapshot(*endpoints)
    signed = sign_routes(snapshot, plane.signer)
    cache.accept(signed.envelope, Highest(snapshot.epoch, signed.digest))


def test_a_busy_endpoint_does_not_push_out_where_a_quiet_one_came_from(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    cache = Cache(tmp_path / "home" / "cache")
    arms = [plane.arm(bias, str(bias), name=f"v{bias:.0f}") for bias in (1.0, 2.0)]
    accept(cache, plane, plane.endpoint(arms[0], name="quiet"), plane.endpoint(arms[0], name="busy"))
    quiet = plane.endpoint(arms[1], name="quiet")
    for turn in range(3 * HISTORY):
        accept(cache, plane, quiet, plane.endpoint(arms[turn % 2], name="busy"))
    told = at_home(tmp_path / "home")["endpoints"]
    assert told["quiet"]["previous"]["name"] == "v1"
    assert [arm["name"] for arm in told["quiet"]["champions"]] == ["v2", "v1"]
    kept = len(cache.history())
    assert HISTORY <= kept <= 2 * HISTORY + 4  # of each run two at the most, and the quiet endpoint's own
    assert kept == len(Cache(tmp_path / "home" / "cache").history())
    # Where an endpoint is gone, its own past is not kept for ever.
    for turn in range(HISTORY + 1):
        accept(cache, plane, plane.endpoint(arms[turn % 2], name="busy"))
    assert len(cache.history()) <= 2 * HISTORY
