"""The contract of the storage port, on every adapter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest

from modelyard.core.errors import AlreadyExists, InvalidInput, NotFound, StaleRevision, WrongState
from modelyard.core.records import Page, Query, Record, Storage, Table, Where, equals, every, first

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Tier(StrEnum):
    HIGH = "high"
    LOW = "low"


class Plan(Record):
    name: str
    tier: Tier | None = None
    size: int | None = None
    weight: float | None = None
    live: bool = False
    due: datetime | None = None
    notes: tuple[str, ...] = ()
    free: dict[str, Any] = {}


class Entry(Record):
    text: str = ""


PLANS: Table[Plan] = Table(
    "plans",
    Plan,
    indexed=("name", "tier", "size", "weight", "live", "due"),
    unique=(("organisation", "name"), ("size", "due")),
    text=("name", "notes"),
)
ENTRIES: Table[Entry] = Table("entries", Entry, append_only=True)
TABLES = (PLANS, ENTRIES)


def plan(name: str, **fields: Any) -> Plan:
    return Plan(**{"id": f"id-{name}", "created_at": NOON, "name": name} | fields)


def keep(storage: Storage, *plans: Plan) -> None:
    with storage.transaction() as tx:
        for each in plans:
            tx.add(PLANS, each)


def names(storage: Storage, *where: Where, **query: Any) -> list[str]:
    with storage.reading() as tx:
        return [p.name for p in tx.find(PLANS, Query(where=where, **{"sort": "name"} | query)).items]


def test_a_record_comes_back_as_it_was(storage: Storage) -> None:
    local = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    kept = plan("Naïve \"quoted\" 'x'", tier=Tier.HIGH, size=2**62, weight=0.1, live=True, due=local, free={"a": [1, None, "ü"]})
    keep(storage, kept)
    with storage.reading() as tx:
        assert tx.get(PLANS, kept.id) == kept
        assert tx.get(PLANS, kept.id).digest() == kept.digest()


def test_an_unknown_id_is_not_found(storage: Storage) -> None:
    with storage.reading() as tx:
        for unknown in ("nobody", "", "\x00", "'; DROP TABLE plans; --"):
            with pytest.raises(NotFound):
                tx.get(PLANS, unknown)


def test_ids_and_unique_groups_are_taken_once(storage: Storage) -> None:
    keep(storage, plan("a", size=1, due=NOON))
    with storage.transaction() as tx:
        with pytest.raises(AlreadyExists) as by_id:
            tx.add(PLANS, plan("b", id="id-a"))
        with pytest.raises(AlreadyExists) as by_name:
            tx.add(PLANS, plan("a", id="other"))
        with pytest.raises(AlreadyExists):
            tx.add(PLANS, plan("c", size=1, due=NOON.astimezone(timezone(timedelta(hours=5)))))
        tx.add(PLANS, plan("a", id="elsewhere", organisation="other"))
        tx.add(PLANS, plan("d", size=1))
        tx.add(PLANS, plan("e", size=1))  # an absent value is equal to nothing
    assert (by_id.value.field, by_name.value.field) == ("id", "name")
    assert names(storage) == ["a", "a", "d", "e"]


def test_saving_counts_revisions_and_refuses_stale_ones(storage: Storage) -> None:
    keep(storage, plan("a"), plan("b"))
    with storage.transaction() as tx:
        before = tx.get(PLANS, "id-a")
        after = tx.save(PLANS, before.model_copy(update={"live": True}))
        assert (after.revision, tx.get(PLANS, "id-a")) == (1, after)
        with pytest.raises(StaleRevision):
            tx.save(PLANS, before.model_copy(update={"live": False}))
        with pytest.raises(NotFound):
            tx.save(PLANS, plan("nobody"))
        with pytest.raises(AlreadyExists):
            tx.save(PLANS, after.model_copy(update={"name": "b"}))
    assert names(storage, equals("live", True)) == ["a"]


def test_a_name_that_was_given_up_is_free(storage: Storage) -> None:
    keep(storage, plan("a"))
    with storage.transaction() as tx:
        tx.save(PLANS, tx.get(PLANS, "id-a").model_copy(update={"name": "b"}))
        tx.add(PLANS, plan("a", id="second"))
        tx.remove(PLANS, "second")
        tx.add(PLANS, plan("a", id="third"))
        with pytest.raises(NotFound):
            tx.remove(PLANS, "second")
    assert names(storage) == ["a", "b"]


def test_all_or_nothing(storage: Storage) -> None:
    keep(storage, plan("a"))

    def fail_half_way() -> None:
        with storage.transaction() as tx:
            tx.add(PLANS, plan("b"))
            tx.save(PLANS, tx.get(PLANS, "id-a").model_copy(update={"live": True}))
            tx.add(ENTRIES, Entry(id="1", created_at=NOON))
            assert len(tx.find(PLANS, Query()).items) == 2
            raise KeyError("trouble")

    with pytest.raises(KeyError):
        fail_half_way()
    assert names(storage) == ["a"]
    assert names(storage, equals("live", False)) == ["a"]
    assert names(storage, text="b") == []


def test_a_transaction_is_over_when_it_is_over(storage: Storage) -> None:
    with storage.transaction() as tx:
        pass
    with pytest.raises(WrongState):
        tx.add(PLANS, plan("a"))
    with pytest.raises(WrongState):
        tx.find(PLANS, Query())


def test_reading_refuses_to_write(storage: Storage) -> None:
    keep(storage, plan("a"))
    with storage.reading() as tx:
        with pytest.raises(WrongState):
            tx.add(PLANS, plan("b"))
        with pytest.raises(WrongState):
            tx.save(PLANS, tx.get(PLANS, "id-a"))
        with pytest.raises(WrongState):
            tx.remove(PLANS, "id-a")
        with pytest.raises(WrongState):
            tx.find(PLANS, Query(claim=True))


def test_a_reader_keeps_its_view_while_others_write(storage: Storage) -> None:
    keep(storage, plan("a"))
    with storage.reading() as tx:
        assert len(tx.find(PLANS, Query()).items) == 1
        keep(storage, plan("b"))
        assert len(tx.find(PLANS, Query()).items) == 1
    assert names(storage) == ["a", "b"]


def test_append_only_records_stay(storage: Storage) -> None:
    with storage.transaction() as tx:
        entry = tx.add(ENTRIES, Entry(id="1", created_at=NOON, text="first"))
        with pytest.raises(WrongState):
            tx.save(ENTRIES, entry)
        with pytest.raises(WrongState):
            tx.remove(ENTRIES, "1")
    with storage.reading() as tx:
        assert every(tx, ENTRIES) == [entry]


CONDITIONS: list[tuple[Where, str]] = [
    (equals("tier", Tier.HIGH), "a"),
    (equals("tier", "high"), "a"),
    (equals("tier", None), "c"),
    (Where("tier", "ne", "high"), "bc"),
    (Where("tier", "ne", None), "ab"),
    (Where("tier", "in", ["high", None]), "ac"),
    (Where("tier", "in", ()), ""),
    (Where("name", "in", {"a", "b", "z"}), "ab"),
    (Where("size", "lt", 3), "a"),
    (Where("size", "le", "3"), "ab"),
    (Where("size", "gt", 1), "b"),
    (Where("size", "ge", 1), "ab"),
    (Where("size", "ne", 1), "bc"),
    (equals("weight", 1), "b"),
    (Where("weight", "lt", 0.5), "a"),
    (equals("live", True), "b"),
    (equals("live", "false"), "ac"),
    (Where("due", "gt", NOON), "b"),
    (Where("due", "le", "2026-03-01T13:00:00+01:00"), "a"),
    (equals("created_at", NOON), "abc"),
    (equals("id", "id-a"), "a"),
    (equals("revision", 0), "abc"),
    (equals("organisation", "default"), "abc"),
    (Where("tier", "prefix", "h"), "a"),
    (Where("tier", "prefix", "H"), ""),
    (Where("name", "prefix", ""), "abc"),
    (Where("name", "prefix", "\U0010ffff"), ""),
]


@pytest.mark.parametrize("part", range(3))
def test_conditions(storage: Storage, part: int) -> None:
    keep(
        storage,
        plan("a", tier=Tier.HIGH, size=1, weight=0.25, due=NOON),
        plan("b", tier=Tier.LOW, size=3, weight=1.0, live=True, due=NOON + timedelta(microseconds=1)),
        plan("c"),
    )
    for where, expected in CONDITIONS[part::3]:
        assert "".join(names(storage, where)) == expected, where


@pytest.mark.parametrize(
    "query",
    [
        Query(where=(equals("free", 1),)),
        Query(where=(equals("body", "x"),)),
        Query(where=(equals("size", "many"),)),
        Query(where=(equals("size", 2**63),)),
        Query(where=(equals("weight", float("nan")),)),
        Query(where=(equals("name", "a\x00"),)),
        Query(where=(equals("name", 7),)),
        Query(where=(equals("name", "x" * 501),)),
        Query(where=(equals("due", datetime(2026, 1, 1)),)),  # noqa: DTZ001 -- a time without zone is the point
        Query(where=(Where("size", "lt", None),)),
        Query(where=(Where("size", "prefix", "1"),)),
        Query(where=(Where("name", "in", "abc"),)),
        Query(sort="notes"),
        Query(limit=0),
        Query(limit=10**9),
        Query(after="nonsense"),
        Query(after="é"),
        Query(after=""),
        Query(after="WyJuYW1lIixmYWxzZSwiYSIsImIiXQ"),  # of another order
        Query(after="WyJjcmVhdGVkX2F0IixmYWxzZSwiYSIsImIiXQ"),  # a text where a time belongs
        Query(after="WyJjcmVhdGVkX2F0IixmYWxzZV0"),
    ],
)
def test_queries_that_make_no_sense_are_refused(make_storage: Any, adapter: str, query: Query) -> None:
    if adapter == "postgres":
        pytest.skip("refused before the database is asked, as for SQLite")
    storage: Storage = make_storage(TABLES)
    with storage.reading() as tx, pytest.raises(InvalidInput):
        tx.find(PLANS, query)


def test_tables_and_records_that_do_not_fit_are_refused(storage: Storage) -> None:
    stranger: Table[Entry] = Table("strangers", Entry)
    with storage.transaction() as tx:
        with pytest.raises(InvalidInput):
            tx.add(stranger, Entry(id="1", created_at=NOON))
        with pytest.raises(InvalidInput):
            tx.add(PLANS, Entry(id="1", created_at=NOON))  # type: ignore[type-var]
        with pytest.raises(InvalidInput):
            tx.add(PLANS, plan("n", weight=float("inf")))
        with pytest.raises(InvalidInput):
            tx.find(ENTRIES, Query(text="word"))


def paged(storage: Storage, **query: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        with storage.reading() as tx:
            page: Page[Plan] = tx.find(PLANS, Query(limit=2, after=cursor, **query))
        found += [p.name for p in page.items]
        cursor = page.next
        if cursor is None:
            return found
        assert len(page.items) == 2


@pytest.mark.parametrize("descending", [False, True])
def test_pages_come_in_order_whatever_the_field(storage: Storage, descending: bool) -> None:
    plans = [
        plan("b", size=2, weight=-1.5, live=True, due=NOON),
        plan("a", size=2, tier=Tier.LOW),
        plan("C", weight=2.0, live=True),
        plan("ä", size=-7, due=NOON - timedelta(days=900)),
        plan("𝒳", tier=Tier.HIGH, weight=-1.5, created_at=NOON - timedelta(seconds=1)),
        plan("", size=2, tier=Tier.HIGH),
        plan("￿", weight=0.0),
    ]
    keep(storage, *plans)
    for field in ("id", "name", "created_at", "revision", "tier", "size", "weight", "live", "due"):

        def place(p: Plan, field: str = field) -> Any:
            value = getattr(p, field)
            return (value is not None, 0 if value is None else value, p.id)

        expected = [p.name for p in sorted(plans, key=place, reverse=descending)]
        assert paged(storage, sort=field, descending=descending) == expected, field


def test_a_page_goes_on_where_it_ended_though_records_come_and_go(storage: Storage) -> None:
    keep(storage, *(plan(name) for name in "bdfh"))
    with storage.reading() as tx:
        page = tx.find(PLANS, Query(sort="name", limit=2))
    with storage.transaction() as tx:
        tx.remove(PLANS, "id-d")
        tx.add(PLANS, plan("a"))
        tx.add(PLANS, plan("e"))
    assert names(storage, after=page.next) == ["e", "f", "h"]


def test_search_finds_words_by_their_beginning(storage: Storage) -> None:
    keep(
        storage,
        plan("Flight delays", notes=("New-York 2013", "Großer Überlauf")),
        plan("Credit_risk v2.1", notes=("delay in payment",)),
        plan("third", notes=("O'Neill", "50% off", "e\u0301te\u0301")),
    )
    found = {
        "delay": 2,
        "DELAYS": 1,
        "del pay": 1,
        "del york": 1,
        "new-york": 1,
        "gross uberlauf": 1,
        "été": 1,
        "ete": 1,
        "risk": 1,
        "v2.1": 1,
        "lays": 0,
        "o'neill": 1,
        '"': 3,
        "*": 3,
        "delay OR third": 0,
        "NOT delay": 0,
        "name:flight": 0,
        "flight) OR (third": 0,
        "'; DROP TABLE plans; --": 0,
        "del & !pay": 1,
        "%": 3,
        "x" * 1000: 0,
    }
    assert {text: len(names(storage, text=text)) for text in found} == found


def test_search_follows_changes_and_combines_with_conditions(storage: Storage) -> None:
    keep(storage, plan("red apple", live=True), plan("red pear"), plan("green pear"))
    assert names(storage, equals("live", True), text="red") == ["red apple"]
    assert paged(storage, text="pea", sort="name", descending=True) == ["red pear", "green pear"]
    with storage.transaction() as tx:
        tx.save(PLANS, tx.get(PLANS, "id-red apple").model_copy(update={"name": "blue apple"}))
        tx.save(PLANS, tx.get(PLANS, "id-red pear").model_copy(update={"size": 9}))
        tx.remove(PLANS, "id-green pear")
        assert [p.name for p in tx.find(PLANS, Query(text="blue")).items] == ["blue apple"]
    assert names(storage, text="red") == ["red pear"]
    assert names(storage, text="green") == []


def test_claimed_rows_are_found_and_can_be_changed(storage: Storage) -> None:
    keep(storage, plan("a"), plan("b"), plan("c"))
    with storage.transaction() as tx:
        page = tx.find(PLANS, Query(sort="name", limit=2, claim=True))
        for item in page.items:
            tx.save(PLANS, item.model_copy(update={"live": True}))
    assert names(storage, equals("live", True)) == ["a", "b"]


def test_first_and_every(storage: Storage) -> None:
    keep(storage, *(plan(f"{n:03d}", size=n % 2, due=NOON + timedelta(n)) for n in range(23)))
    with storage.reading() as tx:
        assert len(every(tx, PLANS, equals("size", 1), page=4)) == 11
        assert first(tx, PLANS, equals("name", "nobody")) is None
        found = first(tx, PLANS, equals("name", "007"))
        assert found is not None
        assert found.size == 1


def test_a_new_process_sees_what_was_kept(make_storage: Any, adapter: str) -> None:
    if adapter == "memory":
        pytest.skip("memory keeps nothing")
    keep(make_storage(TABLES), plan("a", tier=Tier.LOW))
    assert names(make_storage(TABLES), text="a") == ["a"]


def test_declarations_that_cannot_be_kept_are_refused(make_storage: Any) -> None:
    for bad in (
        Table("x", Plan, indexed=("free",)),
        Table("x", Plan, indexed=("nothing",)),
        Table("x", Plan, unique=(("name",),)),
        Table("x", Plan, text=("nothing",)),
        Table('x" DROP', Plan),
    ):
        with pytest.raises(InvalidInput):
            make_storage([bad])
