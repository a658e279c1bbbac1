"""A small airport: a signature, decisions by the month with a known drift, a log on disk, and a bus with monitoring."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard import monitoring
from modelyard.catalog import commands as catalog_commands
from modelyard.catalog import model as catalog_model
from modelyard.catalog import service as catalog_service
from modelyard.core.bus import Bus, Permit, Request
from modelyard.core.clock import ManualClock
from modelyard.core.digests import digest
from modelyard.core.errors import NotFound
from modelyard.core.ids import RandomIds
from modelyard.core.messages import OUTBOX, Actor, Command, EventEnvelope
from modelyard.core.records import Storage, Transaction, every
from modelyard.decisions import (
    DecisionLog,
    DecisionReader,
    Outcome,
    OutcomeLog,
    OutcomeReader,
    Rows,
)
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.measures import MEASURES

ANNA = Actor(id="anna", roles=frozenset({"developer"}))
VERSION = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
CARRIERS = np.array(["UA", "B6", "EV", "DL", "AA", "MQ", "US", "WN", "VX", "FL"])
TABLES = (*monitoring.TABLES, *catalog_model.TABLES)

SIGNATURE = Signature(
    inputs=(
        FieldSpec(name="flight", type=DataType.BYTES, role=Role.IDENTIFIER),
        FieldSpec(name="carrier", type=DataType.BYTES),
        FieldSpec(name="hour", type=DataType.INT64, minimum=0, maximum=23),
        FieldSpec(name="temperature", type=DataType.FP64, nullable=True),
        FieldSpec(name="pressure", type=DataType.FP64),
        FieldSpec(name="note", type=DataType.BYTES, drift=False, nullable=True),
    ),
    outputs=(FieldSpec(name="chance", type=DataType.FP32, role=Role.SCORE, minimum=0, maximum=1),),
)
Columns = dict[str, np.ndarray[Any, Any]]


def flights(rng: np.random.Generator, rows: int, *, warmer: float = 0.0, newcomers: float = 0.0) -> Columns:
    """Inputs, a calibrated chance and what came of it. Shares of carriers fall like 1/k."""
    shares = 1 / np.arange(1, len(CARRIERS) + 1)
    carrier = rng.choice(CARRIERS, rows, p=shares / shares.sum()).astype(object)
    carrier[rng.random(rows) < newcomers] = "ZZ"
    temperature = rng.normal(5 + warmer, 8, rows)
    logit = -2 + 0.9 * rng.normal(size=rows)
    chance = 1 / (1 + np.exp(-logit))
    return {
        "flight": np.array([f"F{n}" for n in range(rows)], dtype=object),
        "carrier": carrier,
        "hour": rng.integers(5, 24, rows),
        "temperature": np.where(rng.random(rows) < 0.02, np.nan, temperature),
        "pressure": rng.normal(1013, 7, rows),
        "note": np.array([None] * rows, dtype=object),
        "chance": chance,
        "late": rng.random(rows) < chance,
    }


def profile(sample: Columns, **more: Any) -> monitoring.ReferenceProfile:
    return monitoring.make_profile(monitoring.watched_fields(SIGNATURE), sample, sample, source="training", **more)


def baselines(sample: Columns) -> dict[str, float]:
    given = {"label": sample["late"], "score": sample["chance"]}
    found = {name: MEASURES[name].compute(**given) for name in ("roc_auc", "log_loss")}
    return found | {"accuracy": MEASURES["accuracy"].compute(label=sample["late"], prediction=sample["chance"] >= 0.5)}


def texts(sample: Columns, names: tuple[str, ...]) -> list[str]:
    columns = {name: sample[name].tolist() for name in names}
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [json.dumps({k: None if v != v else v for k, v in row.items()}) for row in rows]  # noqa: PLR0124


INPUTS = tuple(f.name for f in SIGNATURE.inputs)


def table(sample: Columns, *, outcomes: float = 1.0) -> Any:
    """A window as `evaluate` takes it; the first share of the rows has outcomes."""
    rows = len(sample["chance"])
    known = [f'{{"late":{json.dumps(bool(v))}}}' if n < outcomes * rows else None for n, v in enumerate(sample["late"])]
    return pa.table(
        {
            "id": [f"d{n:06d}" for n in range(rows)],
            "inputs": texts(sample, INPUTS),
            "output": texts(sample, ("chance",)),
            "manifest": pa.array([VERSION] * rows),
            "answered_arm": pa.array(["champion"] * rows),
            "outcome_values": pa.array(known, pa.string()),
            "outcome_correction": pa.array([None if k is None else 0 for k in known], pa.int32()),
        }
    )


def month(number: int, year: int = 2013) -> datetime:
    return datetime(year + (number - 1) // 12, (number - 1) % 12 + 1, 1, tzinfo=UTC)


class AllowAll:
    def authorise(self, tx: Transaction, request: Request, subject: Any) -> Permit:
        return Permit("sha256:" + "0" * 64)

    def policy_set(self, tx: Transaction) -> str:
        return "sha256:" + "0" * 64


class Shelf:
    """Blobs in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        self.kept[digest(data)] = data
        return digest(data)

    def read(self, wanted: str) -> bytes:
        if wanted not in self.kept:
            raise NotFound(f"no blob {wanted}")
        return self.kept[wanted]


@dataclass
class MonitorYard:
    """A platform with a use case `connections` and its endpoint `hold`."""

    storage: Storage
    root: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    blobs: Shelf = field(default_factory=Shelf)

    def __post_init__(self) -> None:
        self.bus = Bus(self.storage, AllowAll(), self.clock, RandomIds())
        self.bus.register(*catalog_service.handlings(kinds=("ml",)), *monitoring.handlings())
        self.do(catalog_commands.RegisterUseCase(name="connections", business_owner="bea", tier="medium"))
        self.decisions, self.outcomes = DecisionReader(self.root / "log"), OutcomeReader(self.root / "out")

    def do(self, command: Command, actor: Actor = ANNA, **more: Any) -> Any:
        return self.bus.handle(Request(command=command, actor=actor, **more))

    def read(self, question: Callable[[Transaction], Any]) -> Any:
        with self.storage.reading() as tx:
            return question(tx)

    def events(self) -> list[EventEnvelope]:
        return [e for e in self.read(lambda tx: every(tx, OUTBOX)) if e.type.startswith("monitoring.")]

    def alerts(self) -> list[monitoring.Alert]:
        found = self.read(lambda tx: every(tx, monitoring.ALERTS))
        return sorted(found, key=lambda a: (a.first_seen, a.key))

    def watchman(self) -> monitoring.Watchman:
        return monitoring.Watchman(self.storage, self.bus, self.decisions, self.outcomes, self.blobs, self.clock)

    def log(self, sample: Columns, since: datetime, prefix: str, version: str = VERSION) -> list[str]:
        """Log a month's decisions, spread over 27 days."""
        rows = len(sample["chance"])
        ids = [f"{prefix}-{n:06d}" for n in range(rows)]
        shared = {"organisation": "default", "use_case": "connections", "endpoint": "hold", "epoch": 1, "manifest": version}
        arms = {"requested_arm": "champion", "answered_arm": "champion", "role": "champion"}
        columns = {
            "id": ids,
            "inputs": texts(sample, INPUTS),
            "output": texts(sample, ("chance",)),
            "event_time": [since + timedelta(days=27) * (n / rows) for n in range(rows)],
        }
        with DecisionLog(self.root / "log", "runtime", clock=self.clock) as log:
            log.append(Rows(rows, columns, shared | arms | {"decision_time": self.clock.now()}))
        return ids

    def post(self, ids: list[str], values: Any, name: str = "late") -> Any:
        with OutcomeLog(self.root / "out", "poster", self.decisions, clock=self.clock) as log:
            return log.post([Outcome(i, {name: bool(v)}, "airport") for i, v in zip(ids, values, strict=True)])
