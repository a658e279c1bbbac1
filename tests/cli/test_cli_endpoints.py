"""docs/how-to/shape-an-endpoint.md as typed; and the commands about endpoints that it has no words for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli_guides import Reader, commands
from cli_yard import People, Run, Served

from modelyard.bootstrap import Settings, build, runtime_token
from modelyard.core.clock import SystemClock
from modelyard.delivery.commands import CreateEndpoint
from tests.life.conftest import OMAR, House

GUIDE = "shape-an-endpoint.md"
PATH_OF_PROGRAM = "modelyard"


@pytest.fixture(scope="module")
def hold(served: Served, people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The endpoint of the guide: two live arms, and a third version that may stand in."""
    platform = build(Settings(home=served.home))
    clock: Any = SystemClock()
    house = House(platform, clock, tmp_path_factory.mktemp("hold"))
    house.use_case("connections")
    house.do(OMAR, CreateEndpoint(name="hold", use_case="connections"))

    def released(weight: float, *roles: str, share: float = 1.0) -> Any:
        scope = house.scope("connections", endpoints=("hold",), roles=roles, greatest_share=share)
        return house.release(house.version("connections", (weight, 0.0, 0.0)), scope)

    house.deploy(released(1.0, "champion"), "hold")
    house.deploy(released(2.0, "challenger", share=0.1), "hold", role="challenger", share=0.1)
    released(3.0, "fallback")
    yield house
    platform.close()


def test_the_guide_does_what_it_says(hold: House, yard: Run, people: People) -> None:
    reader = Reader(yard, tokens=people)
    shown = commands(GUIDE)
    for step in shown:
        reader.follows(step)
    assert len(shown) == 16


def use(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    told = {"id": f"use_{number}", "runtime": "r", "endpoint": "hold", "arm": "v1", "answered_by": "v3", "reason": "timed out"}
    return told | {"count": number, "since": at.isoformat(), "until": at.isoformat(), "epoch": 3} | changes


def test_show_tells_who_stood_in(hold: House, yard: Run, people: People, served: Served) -> None:
    token = runtime_token(hold.platform).read_text().strip()
    now = datetime.now(UTC)
    body = [use(1, now), use(2, now), use(4, now, answered_by="constant"), use(8, now.replace(year=2020), reason="long ago")]
    for _ in range(2):
        answer = httpx.post(
            f"{served.url}/api/v1/runtime/fallbacks", json=body, headers={"authorization": f"Bearer {token}"}, timeout=20
        )
        assert answer.status_code == 200, answer.text
    told = yard("endpoint", "show", "hold", as_=people["omar"])
    assert told.code == 0, told.err
    lines = [line.split() for line in told.out.splitlines()]
    assert ["v1", "constant", "timed", "out", "4", "now"] in lines
    assert ["v1", "v3", "timed", "out", "3", "now"] in lines
    assert "long ago" not in told.out
    whole = yard("endpoint", "show", "hold", "-o", "json", as_=people["omar"]).json
    assert [row["count"] for row in whole["fallback_uses"]] == [4, 3]
    assert "policy" in whole
    listed = yard("endpoint", "uses", "hold", "-o", "json", as_=people["omar"]).json
    assert sorted(row["count"] for row in listed) == [1, 2, 4, 8]
    refused = httpx.post(f"{served.url}/api/v1/runtime/fallbacks", json=body, timeout=20)
    assert refused.status_code == 401


def test_a_grant_of_the_network_is_shown_to_who_approves(hold: House, yard: Run, people: People) -> None:
    version = hold.version("connections", (5.0, 0.0, 0.0))
    hold.evidence(version)
    hold.gate(version)
    asked = ("approval", "request", version.id, "--use-case", "connections", "--endpoint", "hold")
    said = yard(*asked, "--network", "-o", "name", as_=people["omar"])
    assert said.code == 0, said.err
    approval = said.out.strip()
    assert "network" in yard("approval", "show", approval, as_=people["bo"]).out
    assert yard("approval", "show", approval, "-o", "json", as_=people["bo"]).json["approval"]["scope"]["network"] is True
    decide = ("--comments", "it asks a registry", "--yes")
    assert yard("approval", "approve", approval, *decide, as_=people["bo"]).code == 0
    issued = yard("release", "issue", approval, "--no-network", "-o", "json", as_=people["omar"])
    assert issued.code == 0, issued.err


def test_an_order_key_is_its_holder_s_and_nobody_else_reads_it(hold: House, yard: Run, people: People, tmp_path: Path) -> None:
    key = tmp_path / "omar.key"
    made = yard("keys", "create-order-key", "--out", str(key), "-o", "json", as_=people["omar"])
    assert made.code == 0, made.err
    assert made.json["purposes"] == ["order"]
    assert key.stat().st_mode & 0o777 == 0o600
    again = yard("keys", "create-order-key", "--out", str(key), as_=people["omar"])
    assert again.code == 2
    assert "cannot be made" in again.err
    home = str(hold.platform.settings.home)
    for name in ("", " hold", "Hold", "no name"):
        mistyped = yard("keys", "trust", f"{key}.pub", "--endpoint", name, "--home", home)
        assert (mistyped.code, f"{name!r} is no endpoint's name" in mistyped.err) == (2, True)
    trusted = yard("keys", "trust", f"{key}.pub", "--endpoint", "hold", "--endpoint", "pay", "--home", home)
    assert trusted.code == 0
    assert "may sign orders about hold, pay until" in trusted.err
    listed = yard("keys", "list", "--home", home, "-o", "json").json
    assert [(k["status"], k["endpoints"]) for k in listed if k["id"] == made.json["id"]] == [("active", ["hold", "pay"])]
    roots = json.loads(yard("keys", "export-roots", "--home", home).out)["roots"]
    assert [root["purposes"] for root in roots if root["key_id"] == made.json["id"]] == [["order"]]
    assert yard("keys", "trust", f"{key}.pub", "--home", home).code == 1  # it is trusted already
    key.chmod(0o644)
    order = ("rollback", "hold", "--runtime", "http://127.0.0.1:9", "-m", "x", "--yes")
    open_key = yard(*order, "--order-key", str(key))
    assert (open_key.code, "chmod 600" in open_key.err) == (2, True)
    key.chmod(0o600)
    silent = yard(*order, "--order-key", str(key), "-o", "json")
    assert silent.code == 1
    assert "does not answer" in silent.json[0]["told"]
    assert yard(*order).code == 2
    assert yard("rollback", "hold", "--stop", "v1", "-m", "x").code == 2


def test_the_guide_to_orders_does_what_it_says(
    hold: House, yard: Run, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it shows as typed; the rest of it is `tests/delivery/test_delivery_silence.py`."""
    monkeypatch.chdir(tmp_path)

    def typed(*words: str, **how: Any) -> Any:
        monkeypatch.setenv("MODELYARD_HOME", str(hold.platform.settings.home))
        return yard(*words, **how)

    reader = Reader(typed, tokens=people)
    shown = commands("roll-back-without-the-control-plane.md")
    for step in shown:
        reader.follows(step)
    assert [step.command.split()[1:3] for step in shown] == [
        ["keys", "create-order-key"],
        ["keys", "trust"],
        ["keys", "export-roots"],
        ["endpoint", "orders"],
    ]
    assert (tmp_path / "trust-roots.json").exists()
