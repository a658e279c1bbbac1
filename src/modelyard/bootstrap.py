"""Wiring: the one place that names concrete adapters. `build(settings)` gives the platform that API, workers and CLI share."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelyard import catalog, delivery, evaluation, governance, jobs, lifecycle, monitoring, value
from modelyard.catalog.ports import Contributor
from modelyard.core import leases, messages, outbox
from modelyard.core.blobs import Blobs
from modelyard.core.bus import Bus
from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import InvalidInput, Unauthenticated, WrongState
from modelyard.core.faults import Faults, NoFaults
from modelyard.core.ids import Ids, RandomIds
from modelyard.core.messages import EventTypes
from modelyard.core.records import DEFAULT_ORGANISATION, Storage, Table
from modelyard.decisions import DecisionReader, OutcomeLog, OutcomeReader, Pseudonyms, Window, join
from modelyard.decisions.shipping_collector import Collector
from modelyard.decisions.shipping_stores import segments_at
from modelyard.delivery import batches
from modelyard.delivery import inventory as delivery_inventory
from modelyard.evaluation.registration import Desk
from modelyard.governance import (
    RUNTIME_SCOPES,
    CedarAuthorizer,
    authenticate,
    bootstrap_administrator,
    bootstrap_gates,
    bootstrap_keys,
    bootstrap_runtime,
)
from modelyard.governance import inventory as governance_inventory
from modelyard.governance.assurance import model as assurance
from modelyard.governance.custody.custodian import Custodian, LogPlace
from modelyard.governance.custody.disclosing import disclosed
from modelyard.governance.releases import model as releases
from modelyard.governance.risk import model as risk
from modelyard.jobs import events as job_events
from modelyard.jobs import service as job_service
from modelyard.kinds import registry
from modelyard.kinds.contract import Confine, Inspection, Isolate, Policy
from modelyard.kinds.sandbox import Limits, hide
from modelyard.monitoring import inventory as monitoring_inventory
from modelyard.monitoring.windows import WindowKind
from modelyard.storage.audit_files import AuditFiles
from modelyard.storage.backup import Installation
from modelyard.storage.blobs import blobs_at
from modelyard.storage.data_keys import NAME as DATA_KEYS
from modelyard.storage.data_keys import DataKeys
from modelyard.storage.key_files import KeyFiles
from modelyard.storage.migrations import upgrade
from modelyard.storage.sql import SqlStorage
from modelyard.value import inventory as value_inventory

TABLES: tuple[Table[Any], ...] = (
    messages.AUDIT,
    messages.AUDIT_PENDING,
    messages.IDEMPOTENCY,
    leases.LEASES,
    messages.OUTBOX,
    outbox.EVENTS,
    outbox.INBOX,
    outbox.POSITION,
    *jobs.TABLES,
    *catalog.TABLES,
    *governance.TABLES,
    *delivery.TABLES,
    *batches.TABLES,
    *monitoring.TABLES,
    *value.TABLES,
    *lifecycle.TABLES,
)
"""Every table of the platform; the migrations make exactly these."""

EXPLAINED_TABLES: tuple[Table[Any], ...] = (
    *catalog.TABLES,
    *governance.EXPLAINED_TABLES,
    *delivery.TABLES,
    *batches.TABLES,
    *monitoring.TABLES,
    *value.TABLES,
    *lifecycle.EXPLAINED_TABLES,
)
"""Tables whose every row is explained by the audit log; the others are the log itself and queues."""

READABLE_TABLES: tuple[Table[Any], ...] = (
    *catalog.TABLES,
    *assurance.TABLES,
    *risk.TABLES,
    *releases.TABLES,
    *delivery.TABLES,
    *batches.TABLES,
    *monitoring.TABLES,
    *value.TABLES,
    jobs.JOBS,
)
"""Tables that a step of a life cycle may read: what is known of models and what serves, nothing of people and their tokens."""

T = TypeVar("T")
PREFIX = "MODELYARD_"


class Settings(BaseModel):
    """How an installation is set up: environment variables `MODELYARD_HOME`, `MODELYARD_DATABASE` and so on, in capitals.

    `home` holds everything that has no address of its own. `runtime_home` is where the runtime beside this platform keeps its
    decision log. `segments` is where runtimes on other machines ship theirs to (`s3://bucket/prefix`, a folder): they are
    collected, and removed there after `segments_days` once compacted. `accepted_risks` are codes of dangerous findings that
    registration lets through. `batch_roots` are folders and prefixes of buckets that batches may read and write besides
    `<home>/batches`. `pseudonym_key_file` holds the key that runtimes make pseudonyms with, `data_key_file` those that they
    encrypt protected fields with, both those of the runtime beside this platform when left out; `erasures_file` is where the list
    of erased subjects is kept as well, for restored backups. `isolate` and `confine` say which versions run in a process of their
    own and whether they may where the system cannot confine them, `network` which models may use the network if their release
    grants it. Sealed segments of the decision log are compacted every `compact_every` seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path(".modelyard")
    database: str = ""
    blobs: str = ""
    organisation: str = DEFAULT_ORGANISATION
    host: str = "127.0.0.1"
    port: int = Field(default=7900, ge=1, le=65535)
    runtime_host: str = "127.0.0.1"
    runtime_port: int = Field(default=7901, ge=1, le=65535)
    runtime_grpc_port: int | None = Field(default=None, ge=1, le=65535)
    runtime_home: Path | None = None
    pseudonym_key_file: Path | None = None
    data_key_file: Path | None = None
    erasures_file: Path | None = None
    segments: str = ""
    segments_days: float = Field(default=30, ge=0)
    allow_unsafe_formats: bool = False
    isolate: Isolate = Isolate.UNTRUSTED
    confine: Confine = Confine.WHERE_POSSIBLE
    network: tuple[str, ...] = ()
    trusted_types: tuple[str, ...] = ()
    accepted_risks: tuple[str, ...] = ()
    batch_roots: tuple[str, ...] = ()
    greatest_upload: int = Field(default=20 << 30, ge=1)
    monitor_window: WindowKind = WindowKind.WEEK
    check_memory: int = Field(default=4 << 30, ge=64 << 20)
    check_seconds: float = Field(default=300, gt=0)
    compact_every: float = Field(default=300, gt=0)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """From the environment, with `given` winning. Raises InvalidInput naming the variable."""
        found = {
            key[len(PREFIX) :].lower(): text
            for key, text in (os.environ if environment is None else environment).items()
            if key.startswith(PREFIX) and key[len(PREFIX) :].lower() in cls.model_fields
        }
        values: dict[str, Any] = {
            name: text.split(",") if name in ("trusted_types", "accepted_risks", "batch_roots") else text
            for name, text in found.items()
        }
        try:
            return cls.model_validate(values | {k: v for k, v in given.items() if v is not None})
        except ValidationError as error:
            fault = error.errors()[0]
            name = str(fault["loc"][0])
            raise InvalidInput(f"{PREFIX}{name.upper()}: {fault['msg']}", field=name) from error

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'modelyard.db'}"

    @property
    def blobs_url(self) -> str:
        return self.blobs or str(self.home / "blobs")

    @property
    def places(self) -> batches.Places:
        """Where batches may read and write."""
        return batches.Places((self.home / "batches").absolute(), self.batch_roots)

    @property
    def runtime_folder(self) -> Path:
        return self.runtime_home or self.home / "runtime"

    @property
    def pseudonym_key(self) -> Path:
        return self.pseudonym_key_file or self.runtime_folder / "pseudonym.key"

    @property
    def data_keys(self) -> Path:
        return self.data_key_file or self.runtime_folder / DATA_KEYS

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def runtime_url(self) -> str:
        return f"http://{self.runtime_host}:{self.runtime_port}"


class Signals:
    """Wakes those who wait for something new. Other processes are noticed by looking again every so often."""

    LOOK_EVERY = 0.2
    MOST_WAITING = 16

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._places = threading.Semaphore(self.MOST_WAITING)

    def notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, look: Callable[[], T | None], seconds: float) -> T | None:
        """What `look` gives as soon as it is not None, or None after `seconds`; at once where too many wait already, so that
        those who wait never take all the threads that answer others."""
        if not self._places.acquire(blocking=False):
            return look()
        try:
            return self._wait(look, seconds)
        finally:
            self._places.release()

    def _wait(self, look: Callable[[], T | None], seconds: float) -> T | None:
        end = monotonic() + seconds
        while True:
            found = look()
            left = end - monotonic()
            if found is not None or left <= 0:
                return found
            with self._changed:
                self._changed.wait(min(left, self.LOOK_EVERY))


@dataclass
class Platform:
    """Everything that is wired together, for one process."""

    settings: Settings
    storage: Storage
    blobs: Blobs
    bus: Bus
    clock: Clock
    ids: Ids
    authorizer: CedarAuthorizer
    keys: KeyFiles
    checkpoints: AuditFiles
    events: EventTypes
    signals: Signals = field(default_factory=Signals)
    inspections: dict[str, Inspection] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """What kinds may load here."""
        settings = self.settings
        return Policy(
            allow_pickle=settings.allow_unsafe_formats,
            trusted_types=settings.trusted_types,
            isolate=settings.isolate,
            confine=settings.confine,
            network=settings.network,
        )

    @property
    def limits(self) -> Limits:
        """What a child process may use when it works on an artifact."""
        seconds = self.settings.check_seconds
        return Limits(memory_bytes=self.settings.check_memory, cpu_seconds=seconds, wall_seconds=seconds)

    @property
    def origin(self) -> str:
        """The audit log's name, part of what its checkpoints sign."""
        return f"modelyard/{self.settings.organisation}"

    @property
    def contributors(self) -> tuple[Contributor, ...]:
        """Who fills inventory fields that the catalog does not know."""
        return (
            governance_inventory.contribute,
            delivery_inventory.contribute,
            monitoring_inventory.contribute,
            value_inventory.contribute,
        )

    @property
    def desk(self) -> Desk:
        return Desk(self.blobs, self.policy, self.limits, self.inspections)

    @cached_property
    def decisions(self) -> DecisionReader:
        return DecisionReader(self.settings.runtime_folder / "decisions")

    @cached_property
    def collector(self) -> Collector | None:
        """Brings here what runtimes on other machines ship; None where none do."""
        if not self.settings.segments:
            return None
        folder = self.settings.runtime_folder
        return Collector(segments_at(self.settings.segments), folder / "decisions", folder / "collected")

    @cached_property
    def outcomes(self) -> OutcomeLog:
        writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        return OutcomeLog(self.settings.home / "outcomes", writer, self.decisions, clock=self.clock)

    @cached_property
    def outcome_reader(self) -> OutcomeReader:
        return OutcomeReader(self.settings.home / "outcomes")

    @property
    def pseudonyms(self) -> Pseudonyms:
        """What turns a person's identifier into what the log holds. Raises WrongState while there is no key."""
        path = self.settings.pseudonym_key
        try:
            return Pseudonyms(path.read_bytes().strip())
        except FileNotFoundError as error:
            raise WrongState(
                f"there is no pseudonym key at {path}",
                hint="the runtime makes it at its first start; MODELYARD_PSEUDONYM_KEY_FILE says where it is",
            ) from error

    @cached_property
    def custodian(self) -> Custodian:
        place = LogPlace(self.settings.runtime_folder / "decisions", self.settings.home / "outcomes")
        return Custodian(
            self.storage,
            self.bus,
            self.clock,
            self.settings.organisation,
            place,
            self.decisions,
            known_file=self.settings.erasures_file,
            shipped=self.collector,
            copies=batches.BatchCopies(self.storage, self.blobs, self.settings.organisation),
        )

    def in_clear(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of the log with what was encrypted in them readable. Raises WrongState without the key, Untrusted when it does not
        fit. What was masked or hashed stays so."""
        return disclosed(rows, DataKeys(self.settings.data_keys).cipher)

    def seal_outcomes(self) -> None:
        """Let go of the outcomes that this process has open, so that what is erased can be removed from them too."""
        if "outcomes" in self.__dict__:
            self.outcomes.seal()

    def blob(self, digest: str) -> bytes:
        """A small blob whole."""
        return b"".join(self.blobs.open(digest))

    def decisions_in(self, window: Window, limit: int) -> list[dict[str, Any]]:
        """The first decisions of a window with their outcomes, as plain rows."""
        table = self.decisions.scan(window, limit=limit)
        outcomes = self.outcome_reader.find(table["id"].to_pylist())
        rows: list[dict[str, Any]] = join(table, outcomes).to_pylist()
        return rows

    def close(self) -> None:
        """Give back what was opened. Idempotent."""
        if "outcomes" in self.__dict__:
            self.outcomes.close()
        if isinstance(self.storage, SqlStorage):
            self.storage.close()


def build(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, faults: Faults | None = None) -> Platform:
    """The platform on the settings' database, migrated to the present schema, with its keys made if there are none."""
    settings.home.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    storage = SqlStorage(settings.database_url, TABLES)
    return assemble(settings, storage, clock=clock, ids=ids, faults=faults)


def assemble(
    settings: Settings,
    storage: Storage,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    faults: Faults | None = None,
) -> Platform:
    """The platform on a given storage."""
    clock = clock or SystemClock()
    ids = ids or RandomIds(clock)
    hide(settings.home, settings.runtime_folder, *filter(None, (settings.pseudonym_key_file, settings.data_key_file)))
    keys = KeyFiles(settings.home / "keys")
    keys.ensure(clock.now())
    authorizer = CedarAuthorizer()
    bus = Bus(storage, authorizer, clock, ids, faults or NoFaults())
    bus.register(
        *catalog.handlings(
            kinds=registry.names(),
            in_use=delivery.in_use,
            allow_unsafe_formats=settings.allow_unsafe_formats,
            accepted_risks=settings.accepted_risks,
        ),
        *governance.handlings(keys),
        *job_service.handlings(),
        *evaluation.handlings(),
        *delivery.handlings(keys),
        *batches.handlings(settings.places),
        *monitoring.handlings(),
        *value.handlings(),
        *lifecycle.handlings(bus, READABLE_TABLES),
    )
    return Platform(
        settings=settings,
        storage=storage,
        blobs=blobs_at(settings.blobs_url),
        bus=bus,
        clock=clock,
        ids=ids,
        authorizer=authorizer,
        keys=keys,
        checkpoints=AuditFiles(settings.home / "audit"),
        events=event_types(),
    )


def event_types() -> EventTypes:
    """Every event of the platform, with the upcasters of earlier versions."""
    events = EventTypes()
    for package in (catalog, governance, job_events, evaluation, delivery, batches, monitoring, value, lifecycle):
        events.register(*package.EVENTS)
    return events


def installation(settings: Settings) -> Installation:
    """Where everything of the settings' installation is, for backup and restore."""
    home = settings.home
    return Installation(
        home=home,
        database=settings.database_url,
        tables=TABLES,
        blobs=settings.blobs_url,
        outcomes=home / "outcomes",
        audit=home / "audit",
        keys=home / "keys",
        runtime=settings.runtime_folder,
    )


def first_start(platform: Platform) -> str | None:
    """Make known what every installation needs: keys, the root gate, one administrator. Gives the administrator's token, once."""
    bootstrap_keys(platform.bus, platform.storage, platform.keys)
    bootstrap_gates(platform.bus, platform.storage, platform.settings.organisation)
    lifecycle.bootstrap_processes(platform.bus, platform.storage, platform.settings.organisation)
    return bootstrap_administrator(platform.bus, platform.storage, platform.clock.now())


def runtime_token(platform: Platform) -> Path:
    """The file with the token of the runtime beside this platform; made anew when there is none, or it no longer works, or it may
    not bring all that runtimes bring by now."""
    path = platform.settings.home / "runtime.token"
    if path.exists():
        with platform.storage.reading() as tx:
            try:
                known = authenticate(tx, path.read_text().strip(), platform.clock.now())
            except Unauthenticated:
                known = None
        if known is not None and known.scopes >= set(RUNTIME_SCOPES):
            return path
        path.unlink()
    text = bootstrap_runtime(platform.bus, platform.clock.now())
    path.touch(mode=0o600)
    path.write_text(text)
    return path
