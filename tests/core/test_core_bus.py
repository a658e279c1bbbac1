"""The bus on every adapter: one transaction, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from modelyard.core.bus import Bus, Handling, Permit, Request, Work, record_audit
from modelyard.core.clock import ManualClock
from modelyard.core.errors import Busy, Forbidden, IdempotencyMismatch, InvalidInput, NotFound, Refused, WrongState
from modelyard.core.faults import FaultAt, NoFaults
from modelyard.core.ids import RandomIds
from modelyard.core.messages import (
    AUDIT,
    AUDIT_PENDING,
    IDEMPOTENCY,
    OUTBOX,
    Actor,
    AuditOutcome,
    AuditRecord,
    Command,
    Event,
    Subject,
)
from modelyard.core.records import Record, Storage, Table, Transaction, every

ANN = Actor(id="ann", roles=frozenset({"developer"}))


class Account(Record):
    name: str
    balance: int = 0


ACCOUNTS: Table[Account] = Table("accounts", Account, indexed=("name",), unique=(("name",),))
TABLES = (ACCOUNTS,)


class Open(Command):
    action = "bank.open"

    name: str
    trouble: str = ""


class Deposit(Command):
    action = "bank.deposit"

    account: str
    amount: int


class Opened(Event):
    type = "bank.opened"

    name: str


class Deposited(Event):
    type = "bank.deposited"

    amount: int


def open_account(work: Work, command: Open) -> Account:
    account = work.add(ACCOUNTS, Account(**work.new("acc"), name=command.name))
    work.emit(Opened(name=command.name), f"account:{account.id}")
    if command.trouble == "defect":
        raise ZeroDivisionError("a defect of ours")
    if command.trouble == "refused":
        raise Refused("not with us")
    if command.trouble == "state":
        raise WrongState("not now")
    return account


def deposit(work: Work, command: Deposit) -> Account:
    account = work.get(ACCOUNTS, command.account)
    changed = work.save(ACCOUNTS, account.model_copy(update={"balance": account.balance + command.amount}))
    work.emit(Deposited(amount=command.amount), f"account:{account.id}")
    return changed


def about_account(tx: Transaction, request: Request, command: Deposit) -> Subject:
    return Subject(type="account", id=tx.get(ACCOUNTS, command.account).id)


class Policy:
    """Everybody may, but Eve."""

    def authorise(self, tx: Transaction, request: Request, subject: Subject) -> Permit:
        if request.actor.id == "eve":
            raise Forbidden("Eve may not")
        return Permit("sha256:policies", ("everybody",))

    def policy_set(self, tx: Transaction) -> str:
        return "sha256:policies"


HANDLINGS: list[Handling[Any]] = [
    Handling(Open, open_account, lambda tx, request, command: Subject(type="account", id="new"), Account),
    Handling(Deposit, deposit, about_account, Account),
]


def bus_on(storage: Storage, faults: Any = None) -> Bus:
    bus = Bus(storage, Policy(), ManualClock(), RandomIds(), faults or NoFaults())
    bus.register(*HANDLINGS)
    return bus


@pytest.fixture
def bus(storage: Storage) -> Bus:
    return bus_on(storage)


def counts(storage: Storage) -> dict[str, int]:
    tables: list[Table[Any]] = [ACCOUNTS, AUDIT, AUDIT_PENDING, OUTBOX, IDEMPOTENCY]
    with storage.reading() as tx:
        return {table.name: len(every(tx, table)) for table in tables}


NOTHING = {"accounts": 0, "audit": 0, "audit_pending": 0, "outbox": 0, "idempotency": 0}


def test_a_command_leaves_its_change_its_audit_record_and_its_event(bus: Bus, storage: Storage) -> None:
    account = bus.handle(Request(command=Open(name="a"), actor=ANN, reason="new customer", trace_id="t1"))
    assert isinstance(account, Account)
    assert counts(storage) == NOTHING | {"accounts": 1, "audit": 1, "audit_pending": 1, "outbox": 1}
    with storage.reading() as tx:
        audit, event, pending = every(tx, AUDIT)[0], every(tx, OUTBOX)[0], every(tx, AUDIT_PENDING)[0]
    assert (audit.actor, audit.action, audit.outcome, audit.reason) == ("ann", "bank.open", AuditOutcome.DONE, "new customer")
    assert [(c.table, c.id, c.before, c.after) for c in audit.changes] == [("accounts", account.id, None, account.digest())]
    assert (audit.events, audit.policies, pending.id) == (("bank.opened",), ("everybody",), audit.id)
    assert (event.type, event.aggregate_type, event.aggregate_id, event.trace_id) == ("bank.opened", "account", account.id, "t1")


def test_the_same_key_gives_the_first_result_and_changes_nothing(bus: Bus, storage: Storage) -> None:
    request = Request(command=Open(name="a"), actor=ANN, idempotency_key="k")
    first = bus.handle(request)
    before = counts(storage)
    assert bus.handle(request) == first
    assert counts(storage) == before
    with pytest.raises(IdempotencyMismatch):
        bus.handle(Request(command=Open(name="b"), actor=ANN, idempotency_key="k"))
    bus.handle(Request(command=Open(name="b"), actor=Actor(id="bob"), idempotency_key="k"))
    assert counts(storage)["accounts"] == 2


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_keys_have_a_length(bus: Bus, key: str) -> None:
    with pytest.raises(InvalidInput):
        bus.handle(Request(command=Open(name="a"), actor=ANN, idempotency_key=key))


def test_a_dry_run_says_what_would_be_and_keeps_nothing(bus: Bus, storage: Storage) -> None:
    account = bus.handle(Request(command=Open(name="a"), actor=ANN, dry_run=True, idempotency_key="k"))
    assert isinstance(account, Account)
    assert account.name == "a"
    assert counts(storage) == NOTHING


def test_a_refusal_is_recorded_though_its_transaction_is_undone(bus: Bus, storage: Storage) -> None:
    with pytest.raises(Forbidden):
        bus.handle(Request(command=Open(name="a"), actor=Actor(id="eve")))
    with pytest.raises(Refused):
        bus.handle(Request(command=Open(name="a", trouble="refused"), actor=ANN))
    assert counts(storage) == NOTHING | {"audit": 2, "audit_pending": 2}
    with storage.reading() as tx:
        records = {record.actor: record for record in every(tx, AUDIT)}
    assert (records["eve"].outcome, records["eve"].error_code) == (AuditOutcome.REFUSED, "forbidden")
    assert (records["ann"].changes, records["ann"].subject_type) == ((), "account")


@pytest.mark.parametrize(("trouble", "error"), [("defect", ZeroDivisionError), ("state", WrongState)])
def test_a_handler_that_fails_leaves_nothing(bus: Bus, storage: Storage, trouble: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        bus.handle(Request(command=Open(name="a", trouble=trouble), actor=ANN, idempotency_key="k"))
    assert counts(storage) == NOTHING
    bus.handle(Request(command=Open(name="a"), actor=ANN, idempotency_key="k"))
    assert counts(storage)["accounts"] == 1


def test_an_unknown_subject_is_not_found(bus: Bus, storage: Storage) -> None:
    with pytest.raises(NotFound):
        bus.handle(Request(command=Deposit(account="nobody", amount=1), actor=ANN))
    assert counts(storage) == NOTHING


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    raise Crash


@pytest.mark.parametrize("point", ["bus.handled", "bus.before_commit"])
def test_a_crash_before_the_commit_leaves_nothing(storage: Storage, point: str) -> None:
    with pytest.raises(Crash):
        bus_on(storage, FaultAt(point, crash)).handle(Request(command=Open(name="a"), actor=ANN, idempotency_key="k"))
    assert counts(storage) == NOTHING


def test_a_crash_after_the_commit_is_answered_by_the_key(storage: Storage) -> None:
    request = Request(command=Open(name="a"), actor=ANN, idempotency_key="k")
    with pytest.raises(Crash):
        bus_on(storage, FaultAt("bus.committed", crash)).handle(request)
    kept = counts(storage)
    assert kept["accounts"] == 1
    assert isinstance(bus_on(storage).handle(request), Account)
    assert counts(storage) == kept


class SometimesBusy:
    """A storage whose first commits fail, as those of a contended database do."""

    def __init__(self, storage: Storage, failures: int) -> None:
        self._storage, self.left = storage, failures

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._storage.transaction() as tx:
            yield tx
            if self.left:
                self.left -= 1
                raise Busy("another transaction was in the way")

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self._storage.reading() as tx:
            yield tx


def test_contention_is_tried_again_and_not_for_ever(storage: Storage) -> None:
    bus_on(SometimesBusy(storage, 3)).handle(Request(command=Open(name="a"), actor=ANN))
    assert counts(storage)["accounts"] == counts(storage)["audit"] == 1
    stuck = SometimesBusy(storage, 10**6)
    with pytest.raises(Busy):
        bus_on(stuck).handle(Request(command=Open(name="b"), actor=ANN))
    assert stuck.left > 10**6 - 20


def test_deposits_from_many_threads_are_all_there(storage: Storage) -> None:
    bus = bus_on(storage)
    account = bus.handle(Request(command=Open(name="a"), actor=ANN))
    assert isinstance(account, Account)
    failures: list[Exception] = []

    def pay() -> None:
        for _ in range(8):
            try:
                while not _paid(bus, account.id):
                    pass
            except Exception as error:  # noqa: BLE001 -- shown by the assertion below
                failures.append(error)

    run_all([pay] * 4)
    assert failures == []
    with storage.reading() as tx:
        assert (tx.get(ACCOUNTS, account.id).balance, tx.get(ACCOUNTS, account.id).revision) == (32, 32)
    assert counts(storage)["audit"] == 33


def _paid(bus: Bus, account: str) -> bool:
    try:
        bus.handle(Request(command=Deposit(account=account, amount=1), actor=ANN))
    except Busy:
        return False
    return True


def run_all(bodies: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_command_is_handled_by_one(bus: Bus) -> None:
    class Unknown(Command):
        action = "bank.unknown"

    assert [command.action for command in bus.commands()] == ["bank.deposit", "bank.open"]
    with pytest.raises(InvalidInput):
        bus.register(HANDLINGS[0])
    with pytest.raises(InvalidInput):
        bus.handle(Request(command=Unknown(), actor=ANN))


def test_audit_records_from_elsewhere_wait_for_their_place_too(bus: Bus, storage: Storage) -> None:
    bus.handle(Request(command=Open(name="a"), actor=ANN))
    with storage.transaction() as tx:
        mine = every(tx, AUDIT)[0]
        record_audit(tx, AuditRecord(**mine.model_dump() | {"id": "spooled", "refused_elsewhere": "runtime-1"}))
    assert counts(storage)["audit_pending"] == 2


def test_a_refusal_is_recorded_even_when_its_subject_is_gone_by_then(storage: Storage) -> None:
    looks = iter([Subject(type="account", id="acc_1")])

    def about(tx: Transaction, request: Request, command: Open) -> Subject:
        found = next(looks, None)
        if found is None:
            raise NotFound("it is gone")
        return found

    bus = Bus(storage, Policy(), ManualClock(), RandomIds())
    bus.register(Handling(Open, open_account, about, Account))
    with pytest.raises(Forbidden, match="Eve"):
        bus.handle(Request(command=Open(name="a"), actor=Actor(id="eve")))
    with storage.reading() as tx:
        (record,) = every(tx, AUDIT)
    assert (record.outcome, record.subject_id, record.error_code) == (AuditOutcome.REFUSED, "unknown", "forbidden")


def test_what_json_cannot_hold_is_refused_and_changes_nothing(storage: Storage) -> None:
    with pytest.raises(InvalidInput, match="cannot be kept as JSON"):
        bus_on(storage).handle(Request(command=Open.model_construct(name="\ud800", trouble=""), actor=ANN))
    with storage.reading() as tx:
        assert every(tx, ACCOUNTS) == every(tx, AUDIT) == []
