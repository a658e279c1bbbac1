"""Rows that another engine holds: it hands them over piece by piece, wherever its workers are, and gets the answers back.

What begins here is verified where it begins, and again in every process that answers. Ids depend on the beginning, the partition
and the row: a partition that is computed twice is logged once.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from modelyard.core.clock import SystemClock
from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput, NotApproved
from modelyard.core.ids import RandomIds
from modelyard.decisions import write_atomically
from modelyard.runtime.batch.model import SLICE, Invalid, Order, Part, Place, Plan
from modelyard.runtime.batch.protecting import data_key
from modelyard.runtime.batch.released import Plane, chosen, constant_of, pseudonym_key, still_allowed
from modelyard.runtime.batch.scoring import Scorer
from modelyard.runtime.batch.working import Setup, Worker
from modelyard.trust.statements import Protection

FILE = "rows"
_MAKING = threading.Lock()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How frames are scored. `source` and `token` are the control plane's address (or a folder) and who asks, from the
    environment (`MODELYARD_URL`, `MODELYARD_TOKEN`) when left out; `trust_roots` the public keys to trust, by default those of
    the installation at `MODELYARD_HOME`. `log` is the folder of the decision log, seen by all workers; only the lowest tier
    does without. `home` is where each worker keeps artifacts. The rest is as in `Order`."""

    source: str | None = None
    token: str | None = None
    trust_roots: str | None = None
    log: str | None = None
    home: str | None = None
    pseudonym_key_file: str | None = None
    data_key_file: str | None = None
    keep: tuple[str, ...] | None = None
    arm: str | None = None
    shares: bool = False
    key: str | None = None
    subject: str | None = None
    invalid: Literal["fail", "fallback"] = "fail"


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What workers are told: the setup, and what it names by path on the machine where it began."""

    setup: Setup
    roots: str
    pseudonyms: str
    data: str | None = None

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode(self, enc_hook=str)


def begin(endpoint: str, options: Options) -> tuple[Beginning, Scorer]:
    """Verify what may answer and decide who does. Raises as `Batches.run` does before it reads anything."""
    place = _place(options)
    place.home.mkdir(parents=True, exist_ok=True)
    order = _order(endpoint, options, place.home)
    order.check()
    clock = SystemClock()
    plane = Plane(place, clock)
    allowed = plane.now(endpoint)
    allowed.require_fresh(clock.now())
    routes = allowed.endpoint.routes
    if options.log is None and routes.tier != "low":
        raise NotApproved(
            f"endpoint {endpoint!r} has tier {routes.tier}: every decision is logged",
            field="log",
            hint="give a folder that all workers see",
        )
    plan = Plan(
        id=RandomIds(clock).new("bat"),
        started=clock.now().isoformat(),
        order=order,
        epoch=allowed.check.epoch,
        snapshot=allowed.check.digest,
        use_case=routes.use_case,
        tier=routes.tier,
        pins=chosen(allowed, order),
        files=(),
        parts=(),
    )
    constant = constant_of(allowed) if order.invalid is Invalid.FALLBACK else None
    models, predictors = plane.predictors(still_allowed(plan, allowed))
    scorer = Scorer(order, plan.pins, predictors, routes.sticky_salt, constant, routes.policy)
    models.close()
    setup = Setup(plan=plan, place=place, snapshot=allowed.envelope)
    beginning = Beginning(
        setup=setup,
        roots=place.trust_roots.read_text(),
        pseudonyms=pseudonym_key(place).decode(),
        data=data_key(place) if Protection.ENCRYPT in scorer.protected.values() else None,
    )
    return beginning, scorer


def _order(endpoint: str, options: Options, home: Path) -> Order:
    return Order(
        endpoint=endpoint,
        inputs=(FILE,),
        out=str(home / "frames"),
        keep=options.keep,
        arm=options.arm,
        shares=options.shares,
        key=options.key,
        subject=options.subject,
        invalid=Invalid(options.invalid),
        log=0.0 if options.log is None else 1.0,
    )


def answers(beginning: bytes, partition: int, first: int, table: Any) -> Iterator[Any]:
    """The answers to an Arrow table of rows of a partition, slice by slice; `first` is the number of its first row there."""
    with _MAKING:
        worker = _worker(beginning)
    part = Part(partition, 0, 0, 0, 0, None, 0)
    for start in range(0, table.num_rows, SLICE):
        yield worker.frame(part, first + start, table.slice(start, SLICE))


@lru_cache(4)
def _worker(beginning: bytes) -> Worker:
    """The worker of this process, which loads its models once."""
    told = msgspec.json.decode(beginning, type=Beginning, dec_hook=lambda kind, value: kind(value))
    place = told.setup.place
    place.home.mkdir(parents=True, exist_ok=True)
    (told.setup.plan.folder / "locks").mkdir(parents=True, exist_ok=True)
    roots = place.home / f"roots-{digest(told.roots.encode())[7:23]}.json"
    key = place.home / f"pseudonym-{digest(told.pseudonyms.encode())[7:23]}.key"
    write_atomically(roots, told.roots.encode())
    write_atomically(key, told.pseudonyms.encode(), mode=0o600)
    here = msgspec.structs.replace(place, trust_roots=roots, pseudonym_key_file=key)
    if told.data is not None:
        data = place.home / f"data-{digest(told.data.encode())[7:23]}.key"
        here = msgspec.structs.replace(here, data_key_file=data)
        write_atomically(data, told.data.encode(), mode=0o600)
    worker = Worker(msgspec.structs.replace(told.setup, place=here))
    atexit.register(worker.close)
    return worker


def _place(options: Options) -> Place:
    installation = Path(os.environ.get("MODELYARD_HOME", ".modelyard"))
    roots = Path(options.trust_roots) if options.trust_roots else installation / "keys" / "trust-roots.json"
    if not roots.exists():
        raise InvalidInput(f"there are no trust roots at {roots}", field="trust_roots", hint="see `modelyard keys export-roots`")
    home = Path(options.home) if options.home else Path(tempfile.gettempdir()) / f"modelyard-{os.getuid()}"
    return Place(
        home=home.absolute(),
        source=options.source or os.environ.get("MODELYARD_URL", "http://127.0.0.1:7900"),
        trust_roots=roots.absolute(),
        log=Path(options.log or home / "unlogged").absolute(),
        token=options.token or os.environ.get("MODELYARD_TOKEN"),
        pseudonym_key_file=Path(options.pseudonym_key_file).absolute() if options.pseudonym_key_file else None,
        data_key_file=Path(options.data_key_file).absolute() if options.data_key_file else None,
    )
