"""Control plane and database are dead, and what answers is wrong: an order of an operator rolls it back, and is in the books."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelyard.cli import main
from modelyard.cli.orders import read_key
from modelyard.core.messages import AUDIT
from modelyard.core.records import equals, every
from modelyard.delivery.model import ORDERS, OrderOutcome, TakenOrder
from modelyard.delivery.service import endpoint_named
from modelyard.governance.identity.model import Role
from modelyard.trust import Ed25519Signer, sign_order
from modelyard.trust.statements import Order
from tests.delivery.silent_yard import PostgresServer, SqliteFile, Watch, Yard, silent_yard, until


def databases() -> list[Any]:
    return ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


def taken(yard: Yard) -> list[TakenOrder]:
    with yard.platform.storage.reading() as tx:
        return every(tx, ORDERS)


def champion(yard: Yard) -> str:
    with yard.platform.storage.reading() as tx:
        return endpoint_named(tx, "default", "credit").arms[0].name


@pytest.mark.slow
@pytest.mark.parametrize("database", databases())
def test_rolled_back_in_silence_and_reconciled(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = SqliteFile(tmp_path) if database == "sqlite" else PostgresServer()
    key = tmp_path / "olga.key"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def cli(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(words) == code, f"{words}: {capsys.readouterr()}"
        return capsys.readouterr().out

    with silent_yard(tmp_path, kept) as yard:
        first, second = yard.runtimes
        olga, token = yard.hire("olga", Role.OPERATOR)
        for name, value in (("URL", yard.settings.url), ("TOKEN", token), ("HOME", str(yard.settings.home))):
            monkeypatch.setenv(f"MODELYARD_{name}", value)
        cli("keys", "create-order-key", "--out", str(key))
        assert key.stat().st_mode & 0o777 == 0o600
        cli("keys", "trust", f"{key}.pub")

        yard.house.use_case()
        old = yard.house.version()
        yard.house.serving_of(old)
        new = yard.house.version(weights=(2.0, 0.0, 0.0))
        release = yard.house.release(new)
        for runtime in yard.runtimes:
            runtime.await_only(old.id)
        yard.house.deploy(release)
        for runtime in yard.runtimes:
            runtime.await_only(new.id)

        yard.silence()
        with Watch(*yard.runtimes) as watch:
            began = time.monotonic()
            order = ("rollback", "credit", "--order-key", str(key), "--yes", "-m", "nonsense", "-o", "json")
            told = json.loads(cli(*order, "--runtime", first.url, "--runtime", str(second.home)))
            given = time.monotonic()
            assert [row["taken"] for row in told] == [True, True]
            for runtime in yard.runtimes:
                runtime.await_only(old.id)
        assert watch.last(new.id) - given < 1.0, f"after the command, which took {given - began:.2f} s"
        assert watch.others(old.id, new.id) == set()

        _refuses_what_is_wrong(yard, key, olga, new.id, old.id)

        first.stop()
        first.start()
        first.await_only(old.id)

        with Watch(*yard.runtimes) as watch:
            yard.wake()
            until(lambda: {o.outcome for o in taken(yard)} == {OrderOutcome.FOLLOWED}, "nobody took the order in")
            until(lambda: len(taken(yard)) == 2, "one order is for each runtime")
            with yard.platform.storage.reading() as tx:
                newest = endpoint_named(tx, "default", "credit").epoch
            for runtime in yard.runtimes:
                until(lambda r=runtime: httpx.get(f"{r.url}/status").json()["epoch"] >= newest, "the next epoch did not come")
        assert watch.others(old.id) == set()  # what was rolled back from never flickers up
        assert champion(yard) == "v1"
        with yard.platform.storage.reading() as tx:
            done = every(tx, AUDIT, equals("action", "delivery.reconcile_order"))
        assert [(r.actor, r.reason) for r in done] == [(olga, "nonsense")] * 2
        for runtime in yard.runtimes:
            until(
                lambda r=runtime: not any(o["active"] for o in httpx.get(f"{r.url}/orders").json()["orders"]),
                "the order outlives what took it in",
            )
        assert "followed" in cli("endpoint", "orders", "credit")

        # Desired state is the desired state again: what is deployed now answers, and no order comes back.
        yard.house.deploy(release)
        for runtime in yard.runtimes:
            runtime.await_only(new.id)


def _refuses_what_is_wrong(yard: Yard, key: Path, olga: str, bad: str, good: str) -> None:
    """Over HTTP as anybody could try it; everything is refused with 403 and nothing changes."""
    _, signer = read_key(key)
    [first, _] = yard.runtimes
    present = httpx.get(f"{first.url}/orders").json()
    now, hour = datetime.now(UTC), timedelta(hours=1)
    terms: dict[str, Any] = {
        "id": "ord_another",
        "organisation": "default",
        "endpoint": "credit",
        "action": "rollback",
        "to": "previous",
        "base_epoch": present["epoch"],
        "issued_by": olga,
        "issued_at": now,
        "until": now + hour,
        "reason": "no good",
    }
    wrong = {
        "forged": sign_order(Order.model_validate(terms), Ed25519Signer.generate()).envelope,
        "another endpoint": sign_order(Order.model_validate(terms | {"endpoint": "other"}), signer).envelope,
        "newer epoch": sign_order(Order.model_validate(terms | {"base_epoch": present["epoch"] + 1}), signer).envelope,
        "expired": sign_order(Order.model_validate(terms | {"issued_at": now - 2 * hour, "until": now - hour}), signer).envelope,
        "unsigned": b"{}",
    }
    for name, envelope in wrong.items():
        answer = httpx.post(f"{first.url}/orders", content=envelope, timeout=10)
        assert answer.status_code == 403, (name, answer.text)
        assert answer.json()["error"]
    assert first.answers() == {good}
    spooled = "".join(p.read_text() for p in (first.home / "spool").glob("*.jsonl"))
    assert "unknown_key" in spooled
    assert "order: " in spooled
    assert bad not in first.answers()
