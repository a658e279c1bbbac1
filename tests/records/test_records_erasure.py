"""A person is erased: at once for readers, soon in every file; a hold comes first, and a backup brings nobody back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from records_yard import KEY, OTHER, PERSON, Yard

from modelyard.api.subjects import of_this_key
from modelyard.bootstrap import EXPLAINED_TABLES, TABLES, Platform, Settings, build, installation
from modelyard.cli import main
from modelyard.core.bus import Request
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.messages import SYSTEM
from modelyard.core.records import every
from modelyard.decisions import DecisionReader, Keeper, Pseudonyms, Window
from modelyard.governance.audit import verify_records
from modelyard.governance.custody.commands import ImportErasures, JudgeErasure, RequestErasure
from modelyard.governance.custody.model import Erasure
from modelyard.runtime.protocol import LONGEST_TEXT
from modelyard.storage.backup import backup, read_list, restore
from modelyard.worker.duties import keep_and_erase
from tests.life.conftest import actor

PSEUDONYM = Pseudonyms(KEY).of("subject", PERSON)
LIST = "erasures.json"
DATABASE = {"modelyard.db", "modelyard.db-wal"}


def erase(yard: Yard, subject: str = PERSON, **how: object) -> dict[str, object]:
    return yard.do("rita", "/erasures", {"subject": subject}, **how)


def about(yard: Yard, subject: str) -> list[dict[str, object]]:
    return yard.ask("omar", "POST", "/decisions/search", json={"subject": subject, "shadows": True}).json()["items"]


def test_an_erased_person_is_in_no_file(either: Yard) -> None:
    either.use_case("credit")
    with either.writing() as log:
        theirs = either.decide(log, "credit", subject=PERSON, count=3)
        others = either.decide(log, "credit", subject=OTHER, count=2)
        either.outcome([*theirs, *others])
    assert len(about(either, PERSON)) == 3
    assert either.files_with(PERSON), "what is erased was there"
    assert either.files_with(PSEUDONYM)

    made = erase(either, headers={"Idempotency-Key": "e-1"})
    assert made["state"] == "hidden"
    assert about(either, PERSON) == []
    assert either.ask("omar", "GET", f"/decisions/{theirs[0]}").status_code == 404
    again = erase(either, headers={"Idempotency-Key": "e-1"})
    assert again["id"] == made["id"]

    assert keep_and_erase(either.platform), "a worker's turn"
    assert not keep_and_erase(either.platform)
    done = either.ask("rita", "GET", f"/erasures/{made['id']}").json()
    assert (done["state"], done["decisions"], done["outcomes"], done["proof"]["left"]) == ("done", 3, 3, 0)
    verified = either.ask("rita", "GET", f"/erasures/{made['id']}/verification").json()
    assert (verified["left"], verified["complete"]) == (0, True)
    either.platform.outcomes.close()
    assert either.files_with(PERSON) == []
    kept = {p.name for p in either.files_with(PSEUDONYM)}
    assert LIST in kept
    assert kept - {LIST} <= DATABASE, "a database keeps freed pages for a while; no row of it has the pseudonym"
    with either.platform.storage.reading() as tx:
        rows = [r.model_dump_json() for table in TABLES for r in every(tx, table)]
    assert not any(PSEUDONYM in row or PERSON in row for row in rows)
    for decision in theirs:
        assert {p.name for p in either.files_with(decision)} <= {LIST}
    assert len(about(either, OTHER)) == 2

    told = either.ask("rita", "GET", "/audit", params={"subject_id": made["id"]}).json()["items"]
    assert {a["action"] for a in told} >= {"governance.judge_erasure", "governance.record_erasure"}
    assert PSEUDONYM not in json.dumps(told)
    assert verify_records(either.platform.storage, EXPLAINED_TABLES) == ()


def test_whoever_can_be_named_to_an_endpoint_can_be_erased(either: Yard) -> None:
    either.use_case("credit")
    longest = "n" * LONGEST_TEXT
    with either.writing() as log:
        either.decide(log, "credit", subject=longest)
    assert len(about(either, longest)) == 1
    assert erase(either, longest)["state"] == "hidden"
    assert about(either, longest) == []


def test_what_a_living_writer_holds_open_is_hidden_and_goes_when_it_is_sealed(either: Yard) -> None:
    either.use_case("credit")
    with either.writing() as log:
        either.decide(log, "credit", subject=PERSON)
        made = erase(either)
        either.work()
        waiting = either.ask("rita", "GET", f"/erasures/{made['id']}").json()
        assert (waiting["state"], waiting["pending"]) == ("hidden", ["runtime-1"])
        assert about(either, PERSON) == []
        later = either.decide(log, "credit", subject=PERSON)
    either.platform.custodian._pauses.clear()
    either.work()
    done = either.ask("rita", "GET", f"/erasures/{made['id']}").json()
    assert (done["state"], done["decisions"]) == ("done", 1)
    assert [row["id"] for row in about(either, PERSON)] == later, "who comes back later is a new customer"


def test_a_hold_keeps_a_person_until_it_is_lifted(either: Yard) -> None:
    either.use_case("credit")
    either.use_case("marketing")
    with either.writing() as log:
        either.decide(log, "credit", subject=PERSON)
        either.decide(log, "marketing", subject=OTHER)
    hold = either.do("rita", "/holds", {"matter": "AZ 4711/26", "use_case": "credit"}, reason="the regulator asks")
    made = erase(either)
    assert (made["state"], made["holds"]) == ("deferred", [hold["id"]])
    assert "AZ 4711/26" in str(made["why"])
    assert "the regulator asks" in str(made["why"])
    either.work()
    assert len(about(either, PERSON)) == 1
    assert erase(either, OTHER)["state"] == "hidden", "the hold has nothing of theirs"

    refused = either.ask("dana", "POST", f"/holds/{hold['id']}/lift", params={"reason": "I built it"}, json={})
    assert refused.status_code == 403
    either.do("rita", f"/holds/{hold['id']}/lift", {}, reason="closed")
    either.work()
    done = either.ask("rita", "GET", f"/erasures/{made['id']}").json()
    assert (done["state"], done["proof"]["left"]) == ("done", 0)
    assert about(either, PERSON) == []


def test_a_hold_on_a_person_is_told_without_naming_them(either: Yard) -> None:
    either.use_case("credit")
    with either.writing() as log:
        either.decide(log, "credit", subject=PERSON)
        either.decide(log, "credit", subject=OTHER)
    hold = either.do("rita", "/holds", {"matter": "a dispute", "subject": PERSON})
    assert hold["subject_digest"]
    assert PERSON not in json.dumps(hold)
    assert PSEUDONYM not in json.dumps(hold)
    assert erase(either)["state"] == "deferred"
    assert erase(either, OTHER)["state"] == "hidden"


@pytest.mark.parametrize("who", ["dana", "omar", "bea", "vic"])
def test_who_may_not_erase_is_refused_and_nothing_is_hidden(shared: Yard, who: str) -> None:
    shared.use_case(f"refused-{who}")
    with shared.writing(f"runtime-{who}") as log:
        shared.decide(log, f"refused-{who}", subject=f"somebody of {who}")
    answer = shared.ask(who, "POST", "/erasures", json={"subject": f"somebody of {who}"}, params={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert len(about(shared, f"somebody of {who}")) == 1


def test_bad_requests_say_what_is_wrong(shared: Yard) -> None:
    for body, field in (({}, "subject"), ({"subject": ""}, "subject"), ({"subject": "x", "more": 1}, "more")):
        answer = shared.ask("rita", "POST", "/erasures", json=body, params={"reason": "x"})
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    named = shared.ask("rita", "POST", "/erasures", json={"subject": PERSON}, params={"reason": f"{PERSON.upper()} asked"})
    assert (named.status_code, named.json()["field"]) == (422, "reason")
    assert PERSON.casefold() not in named.text.casefold()
    nameless = shared.ask("rita", "POST", "/erasures", json={"subject": PERSON})
    assert nameless.status_code == 403, "an erasure needs a reason"
    assert shared.ask("rita", "GET", "/erasures/era_none/verification").status_code == 404


def test_an_old_backup_brings_nobody_back(own: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:

    own.use_case("credit")
    with own.writing() as log:
        theirs = own.decide(log, "credit", subject=PERSON, count=2)
        others = own.decide(log, "credit", subject=OTHER)
        own.outcome([*theirs, *others])
    backup(installation(own.platform.settings), tmp_path / "old.tar", keys=True)
    erase(own)
    own.work()
    listed = own.ask("rita", "GET", "/erasures/export").json()
    assert [e["subject"] for e in listed["erasures"]] == [PSEUDONYM]
    (tmp_path / "erased.json").write_text(json.dumps(listed))

    told = Settings(home=tmp_path / "told")
    words = ("restore", tmp_path / "old.tar", "--home", told.home, "--erasures", tmp_path / "erased.json", "--yes", "-o", "json")
    assert main([str(word) for word in words]) == 0
    assert json.loads(capsys.readouterr().out)["erased"] == 2
    log, outcomes = told.runtime_folder / "decisions", told.home / "outcomes"
    assert Keeper(log, outcomes).verify_erased([PSEUDONYM]) == 0
    assert DecisionReader(log).scan(Window())["id"].to_pylist() == others
    assert not [p for p in told.home.rglob("*") if p.is_file() and PERSON.encode() in p.read_bytes()]

    untold = Settings(home=tmp_path / "untold")
    assert restore(tmp_path / "old.tar", installation(untold)).erased == 0
    platform = build(untold)
    assert len(platform.decisions.scan(Window(subject=PSEUDONYM))) == 2
    with pytest.raises(InvalidInput, match="another pseudonym key"):
        import_list(platform, listed | {"key": "0" * 32})
    with pytest.raises(InvalidInput, match="to come"):
        import_list(platform, listed | {"erasures": [{"subject": PSEUDONYM, "until": "2100-01-01T00:00:00Z"}]})
    import_list(platform, listed)
    for _ in range(5):
        platform.custodian.erase()
    assert platform.custodian.keeper.verify_erased([PSEUDONYM]) == 0
    assert of_this_key(platform, listed)["known"] == 1
    assert platform.decisions.scan(Window())["id"].to_pylist() == others
    platform.close()


def import_list(platform: Platform, listed: dict[str, object]) -> None:
    """What POST /erasures/import does, as somebody who may."""
    command = ImportErasures.model_validate(of_this_key(platform, listed))
    platform.bus.handle(Request(command=command, actor=actor("rita", "risk_officer"), reason="restored"))


def test_the_list_is_kept_apart_where_that_is_asked_for(own: Yard, tmp_path: Path) -> None:
    own.use_case("credit")
    with own.writing() as log:
        own.decide(log, "credit", subject=PERSON)
    own.platform.custodian.known_file = tmp_path / "elsewhere" / "erased.json"
    erase(own)
    own.work()
    assert list(read_list(tmp_path / "elsewhere" / "erased.json")) == [PSEUDONYM]
    assert (tmp_path / "elsewhere" / "erased.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other/1", "erasures": []}', '{"format": "modelyard-erasures/1"}'])
def test_what_is_no_list_of_erasures_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_list(tmp_path / "none.json")
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(InvalidInput):
        read_list(tmp_path / "list.json")


def test_a_hold_that_comes_in_between_is_seen_and_a_crash_half_way_is_made_good(either: Yard) -> None:
    either.use_case("credit")
    with either.writing() as log:
        either.decide(log, "credit", subject=PERSON)
    erased = Erased(either)
    asked = erased.recorded()
    hold = either.do("rita", "/holds", {"matter": "just now", "use_case": "credit"})
    with pytest.raises(WrongState, match=hold["id"]):
        erased.judge(asked, considered=())
    either.do("rita", f"/holds/{hold['id']}/lift", {})
    assert erased.judge(asked, considered=(hold["id"],)).state == "hidden"
    assert len(about(either, PERSON)) == 1, "the process died before it told the readers"
    either.work()
    assert about(either, PERSON) == []
    done = either.ask("rita", "GET", f"/erasures/{asked}").json()
    assert (done["state"], done["decisions"]) == ("done", 1)
    late = either.do("rita", "/holds", {"matter": "too late", "subject": PERSON})
    assert late["too_late_for"] == [], "what is done is not under way"
    with pytest.raises(WrongState):
        erased.judge(asked, considered=())


class Erased:
    """An erasure by its commands alone, as if the process that gave them died in between."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    def recorded(self) -> str:
        command = RequestErasure(subject=PSEUDONYM, salt="0" * 32)
        request = Request(command=command, actor=actor("rita", "risk_officer"), reason="a request")
        made = self._yard.platform.bus.handle(request)
        assert isinstance(made, Erasure)
        return made.id

    def judge(self, erasure: str, considered: tuple[str, ...]) -> Erasure:
        command = JudgeErasure(erasure=erasure, considered=considered)
        found = self._yard.platform.bus.handle(Request(command=command, actor=SYSTEM))
        assert isinstance(found, Erasure)
        return found
