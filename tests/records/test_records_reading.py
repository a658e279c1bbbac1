"""The log read over HTTP: by what, as what, as it was known when; counted; and nothing of it in addresses or audit."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from records_yard import DAY, KEY, Yard

from modelyard.client import Client
from modelyard.core.errors import Forbidden, NotFound
from modelyard.decisions import Pseudonyms
from modelyard.decisions.protection import Protector
from modelyard.storage.data_keys import DataKeys

NOW = datetime.now(UTC)
PERSON = "Reader, Ruth (reads@example.org)"
CHALLENGER = "sha256:" + "b" * 64


@pytest.fixture(scope="session")
def filled(shared: Yard) -> dict[str, list[str]]:
    """Decisions of one endpoint in several ways, half of them with outcomes."""
    shared.use_case("reading")
    with shared.writing("runtime-reading") as log:
        kinds = {
            "champion": shared.decide(log, "reading", count=4),
            "challenger": shared.decide(
                log, "reading", count=2, answered_arm="v2", role="challenger", manifest=CHALLENGER, subject=PERSON
            ),
            "old": shared.decide(log, "reading", count=2, decision_time=NOW - 40 * DAY, event_time=NOW - 50 * DAY),
        }
        kinds["shadow"] = shared.decide(log, "reading", answered_arm="v3", role="shadow", shadow_of=kinds["champion"][0])
    shared.outcome(kinds["champion"][:2], maturity=3600)
    shared.outcome(kinds["old"], maturity=60)
    return kinds


def listed(yard: Yard, **params: Any) -> list[str]:
    answer = yard.ask("vic", "GET", "/decisions", params={"use_case": "reading"} | params)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


def test_decisions_are_found_by_what_they_are(shared: Yard, filled: dict[str, list[str]]) -> None:
    live = [*filled["champion"], *filled["challenger"], *filled["old"]]
    assert listed(shared) == live
    assert listed(shared, shadows=True) == [*live, *filled["shadow"]]
    assert listed(shared, role="shadow") == filled["shadow"]
    assert listed(shared, role="challenger") == filled["challenger"]
    assert listed(shared, arm="v2") == filled["challenger"]
    assert listed(shared, version=CHALLENGER) == filled["challenger"]
    assert listed(shared, endpoint="another") == []
    assert listed(shared, until=(NOW - DAY).isoformat()) == filled["old"]
    assert listed(shared, by="event_time", since=(NOW - 60 * DAY).isoformat()) == filled["old"]
    assert listed(shared, limit=2) == live[:2]
    names = Pseudonyms(KEY)
    assert listed(shared, subject=names.of("subject", PERSON)) == filled["challenger"]
    assert listed(shared, unit=names.of("unit", PERSON)) == filled["challenger"]


def test_people_and_keys_are_searched_by_name_in_the_body(shared: Yard, filled: dict[str, list[str]]) -> None:
    for field in ("key", "subject"):
        found = shared.ask("vic", "POST", "/decisions/search", json={"use_case": "reading", field: PERSON})
        assert [row["id"] for row in found.json()["items"]] == filled["challenger"]
        nobody = shared.ask("vic", "POST", "/decisions/search", json={"use_case": "reading", field: "nobody"})
        assert nobody.json() == {"items": [], "more": False}
    clear = shared.ask("vic", "GET", "/decisions", params={"subject": PERSON})
    assert (clear.status_code, clear.json()["field"]) == (422, "subject")


def test_one_decision_comes_with_its_outcome_as_it_was_known(shared: Yard, filled: dict[str, list[str]]) -> None:
    path = f"/decisions/{filled['champion'][0]}"
    now = shared.ask("vic", "GET", path).json()
    assert json.loads(now["outcome_values"]) == {"paid": True}
    then = shared.ask("vic", "GET", path, params={"as_of": (NOW - DAY).isoformat()}).json()
    assert then["outcome_values"] is None
    assert shared.ask("vic", "GET", "/decisions/nothing").status_code == 404
    before = listed(shared, as_of=(NOW - DAY).isoformat())
    assert before == filled["old"], "later decisions were not known then"


def opened(form: str, data: bytes) -> Any:
    if form == "arrow":
        return pa.ipc.open_stream(data).read_all()
    if form == "parquet":
        return parquet.read_table(io.BytesIO(data))
    if form == "csv":
        return csv.read_csv(io.BytesIO(data))
    return pa.Table.from_pylist([json.loads(line) for line in data.splitlines()])


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("arrow", "application/vnd.apache.arrow.stream"),
        ("parquet", "application/vnd.apache.parquet"),
        ("csv", "text/csv"),
        ("jsonl", "application/x-ndjson"),
    ],
)
def test_files_hold_all_of_a_window_in_every_form(shared: Yard, filled: dict[str, list[str]], form: str, media_type: str) -> None:
    live = [*filled["champion"], *filled["challenger"], *filled["old"]]
    asked = {"use_case": "reading", "outcomes": True}
    answer = shared.ask("omar", "GET", "/decisions", params=asked | {"format": form})
    assert answer.headers["content-type"].split(";")[0] == media_type
    table = opened(form, answer.content)
    assert table["id"].to_pylist() == live
    with_outcome = [i for i, v in zip(table["id"].to_pylist(), table["outcome_values"].to_pylist(), strict=True) if v]
    assert with_outcome == [*filled["champion"][:2], *filled["old"]]
    accepted = shared.ask("omar", "GET", "/decisions", params={"use_case": "reading"}, headers={"Accept": media_type})
    assert opened(form, accepted.content)["id"].to_pylist() == live
    none = shared.ask("omar", "GET", "/decisions", params={"endpoint": "none", "format": form})
    assert none.status_code == 200
    if form in ("arrow", "parquet"):
        assert opened(form, none.content).num_rows == 0
    one = shared.ask("omar", "GET", "/decisions", params=asked | {"format": form, "limit": 3})
    assert opened(form, one.content)["id"].to_pylist() == live[:3]


def test_who_took_a_file_out_is_told(shared: Yard, filled: dict[str, list[str]]) -> None:
    search = {"use_case": "reading", "subject": PERSON, "format": "jsonl"}
    answer = shared.ask("omar", "POST", "/decisions/search", json=search, params={"reason": "a request for access"})
    assert len(answer.content.splitlines()) == len(filled["challenger"])
    told = shared.ask("rita", "GET", "/decision-exports", params={"use_case": "reading"}).json()["items"][0]
    assert (told["form"], told["narrowed"], told["reason"]) == ("jsonl", True, "a request for access")
    assert PERSON not in json.dumps(told)
    refused = shared.ask("vic", "GET", "/decisions", params={"format": "csv"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_the_summary_counts_by_day_arm_version_and_role(shared: Yard, filled: dict[str, list[str]]) -> None:
    told = shared.ask("vic", "GET", "/decisions/summary", params={"use_case": "reading", "shadows": True}).json()
    assert (told["decisions"], told["outcomes"], round(told["coverage"], 3)) == (9, 4, round(4 / 9, 3))
    counted = {(g["role"], g["arm"], g["day"]): (g["decisions"], g["outcomes"]) for g in told["groups"]}
    today, then = (f"{NOW - days * DAY:%Y-%m-%d}" for days in (0, 40))
    assert counted == {
        ("champion", "v1", today): (4, 2),
        ("challenger", "v2", today): (2, 0),
        ("shadow", "v3", today): (1, 0),
        ("champion", "v1", then): (2, 2),
    }
    assert told["late"]["by_endpoint"]["reading"] == len(filled["old"])
    assert told["late"]["late"] >= 2
    assert shared.ask("vic", "GET", "/decisions/summary", params={"use_case": "none"}).json()["coverage"] is None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 10_001}, "limit"),
        ({"format": "xlsx"}, "format"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"unit": "K-17"}, "unit"),
        ({"reveal": True, "format": "csv"}, "reveal"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_asked_is_told(shared: Yard, params: dict[str, Any], field: str) -> None:
    answer = shared.ask("omar", "GET", "/decisions", params=params)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_encrypted_fields_are_shown_to_who_may_see_them_and_that_is_told(own: Yard) -> None:
    own.use_case("protected")
    keys = DataKeys(own.platform.settings.data_keys)
    keys.rotate()
    first = keys.cipher()
    keys.rotate()
    ids, looks = [], "enc:Zm9yZ2VkIGJ5IGEgY2FsbGVyIQ=="
    with own.writing() as log:
        for cipher in (first, keys.cipher()):
            protector = Protector.of({"income": "encrypt", "name": "mask"}, Pseudonyms(KEY), cipher)
            assert protector is not None
            income, name = (column[0] for column in protector.columns(["income", "name"], [[61_000], ["Erika"]]))
            inputs = json.dumps({"income": income, "name": name, "age": 40, "note": looks})
            ids += own.decide(log, "protected", inputs=inputs)
    shown = own.ask("rita", "GET", f"/decisions/{ids[0]}").json()["inputs"]
    assert '"enc:' in shown
    assert "61000" not in shown

    for who, reason, status in (("omar", "curious", 403), ("rita", "", 403), ("rita", "complaint 7", 200)):
        for path in (f"/decisions/{ids[0]}", "/decisions"):
            answer = own.ask(who, "GET", path, params={"reveal": True, "reason": reason})
            assert answer.status_code == status, (who, reason, path)
    rows = own.ask("rita", "GET", "/decisions", params={"reveal": True, "reason": "complaint 7"}).json()["items"]
    assert [json.loads(row["inputs"]) for row in rows] == [{"income": 61_000, "name": None, "age": 40, "note": looks}] * 2
    told = own.ask("rita", "GET", "/disclosures", params={"sort": "created_at"}).json()["items"]
    assert [(len(d["decisions"]), d["reason"]) for d in told] == [(1, "complaint 7"), (2, "complaint 7"), (2, "complaint 7")]
    refused = own.ask("rita", "GET", "/audit", params={"action": "governance.reveal_decisions", "outcome": "refused"})
    assert len(refused.json()["items"]) == 4
    own.platform.settings.data_keys.write_text("0" * 64)
    other = own.ask("rita", "GET", "/decisions", params={"reveal": True, "reason": "complaint 7"})
    assert (other.status_code, other.json()["code"]) == (403, "untrusted")
    own.platform.settings.data_keys.unlink()
    gone = own.ask("rita", "GET", "/decisions", params={"reveal": True, "reason": "complaint 7"})
    assert (gone.status_code, gone.json()["code"]) == (409, "wrong_state")


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def backfill(yard: Yard, data: bytes, media_type: str, who: str = "omar", **params: Any) -> Any:
    asked = {"endpoint": "reading", "source": "old-core", "use_case": "reading", "reason": "taken over"} | params
    headers = {"Content-Type": media_type}
    return yard.ask(who, "POST", "/decisions/backfill", params=asked, content=data, headers=headers)


def test_decisions_from_elsewhere_are_there_once_and_marked(shared: Yard) -> None:
    shared.use_case("taken-over")
    where = {"use_case": "taken-over", "endpoint": "old-endpoint"}
    rows = [
        {"id": f"A-{n}", "decision_time": "2026-03-01T10:00:00+01:00", "inputs": {"amount": n}, "subject": "Old Customer"}
        for n in range(3)
    ]
    made = backfill(shared, lines(*rows), "application/x-ndjson", **where).json()
    assert (made["accepted"], made["repeated"], made["source"]) == (3, 0, "old-core")
    assert datetime.fromisoformat(made["earliest"]) == datetime(2026, 3, 1, 9, tzinfo=UTC)
    again = backfill(shared, lines(*rows), "application/x-ndjson", **where).json()
    assert (again["id"], again["accepted"]) == (made["id"], 3), "a repeat gives what was told first"

    table = pa.table(
        {
            "id": ["A-1", "A-9"],
            "decision_time": pa.array([datetime(2026, 3, 1, 9, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
            "inputs": ['{"amount": 1}', '{"amount": 9}'],
        }
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    more = backfill(shared, sink.getvalue(), "application/vnd.apache.parquet", **where).json()
    assert (more["accepted"], more["repeated"]) == (1, 1)
    found = shared.ask("vic", "GET", "/decisions", params={"use_case": "taken-over"}).json()["items"]
    assert {row["role"] for row in found} == {"backfill"}
    assert sorted(row["request"] for row in found) == ["A-0", "A-1", "A-2", "A-9"]
    named = backfill(shared, lines(rows[0]), "application/octet-stream", format="jsonl", **where).json()
    assert (named["accepted"], named["repeated"]) == (0, 1)
    theirs = shared.ask("vic", "POST", "/decisions/search", json={"use_case": "taken-over", "subject": "Old Customer"})
    assert len(theirs.json()["items"]) == 3
    assert shared.files_with("Old Customer") == []
    served = shared.ask("vic", "GET", "/decisions", params={"use_case": "taken-over", "role": "champion"}).json()
    assert served["items"] == []


@pytest.mark.parametrize(
    ("data", "media_type", "who", "status", "field"),
    [
        (b"", "application/x-ndjson", "omar", 422, None),
        (b"not json\n", "application/x-ndjson", "omar", 422, "body"),
        (b"PAR1", "application/vnd.apache.parquet", "omar", 422, "body"),
        (b"x" * 40, "application/vnd.apache.arrow.stream", "omar", 422, "body"),
        (b"a,b\n1,2\n", "text/csv", "omar", 422, "Content-Type"),
        (lines({"id": "1", "inputs": {}}), "application/x-ndjson", "omar", 422, "decision_time"),
        (lines({"id": "1", "decision_time": "2026-03-01", "inputs": {}}), "application/x-ndjson", "omar", 422, "decision_time"),
        (
            lines({"id": "1", "decision_time": "2026-03-01T00:00:00Z", "inputs": {}, "role": "champion"}),
            "application/x-ndjson",
            "omar",
            422,
            "role",
        ),
        (lines({"id": "1", "decision_time": "2026-03-01T00:00:00Z", "inputs": {}}), "application/x-ndjson", "dana", 403, None),
    ],
)
def test_what_is_no_backfill_is_refused(
    shared: Yard, filled: dict[str, list[str]], data: bytes, media_type: str, who: str, status: int, field: str | None
) -> None:
    assert filled
    before = listed(shared, role="backfill")
    answer = backfill(shared, data, media_type, who)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text
    assert listed(shared, role="backfill") == before


def test_a_backfill_does_not_put_into_the_log_what_its_endpoint_protects(shared: Yard) -> None:
    shared.use_case("guarded")
    shared.do("omar", "/endpoints", {"name": "guarded", "use_case": "guarded", "protect": {"role:identifier": "mask"}})
    row = lines({"id": "1", "decision_time": "2026-03-01T00:00:00Z", "inputs": {"passport": "X1"}})
    answer = backfill(shared, row, "application/x-ndjson", endpoint="guarded", use_case="guarded")
    assert (answer.status_code, answer.json()["field"]) == (409, "endpoint"), answer.text
    assert "role:identifier" in answer.json()["detail"]
    assert shared.files_with("passport") == []


def test_the_client_reads_writes_and_erases(shared: Yard, tmp_path: Path) -> None:
    shared.use_case("by-client")
    with shared.writing("runtime-client") as log:
        made = shared.decide(log, "by-client", count=2, subject="client's person")
    url = str(shared.http.base_url)
    with Client(url, shared.tokens["omar"]) as yard, Client(url, shared.tokens["rita"]) as officer:
        assert [row["id"] for row in yard.decisions(use_case="by-client", subject="client's person")] == made
        assert yard.decision(made[0])["id"] == made[0]
        out = yard.export_decisions(tmp_path / "out.arrow", "arrow", use_case="by-client", outcomes=True, since=NOW - DAY)
        assert pa.ipc.open_stream(out.read_bytes()).read_all()["id"].to_pylist() == made
        assert yard.decision_summary(use_case="by-client", until=NOW + DAY).decisions == 2
        rows = lines({"id": "1", "decision_time": "2026-03-01T00:00:00Z", "inputs": {}})
        (tmp_path / "rows.jsonl").write_bytes(rows)
        for source in (rows, tmp_path / "rows.jsonl"):
            told = yard.backfill(source, "jsonl", endpoint="e", source="elsewhere", use_case="by-client")
            assert (told.accepted, told.use_case) == (1, "by-client")
        with pytest.raises(Forbidden):
            yard.erase("client's person", reason="x")
        assert officer.erase("client's person", reason="a request")["state"] == "hidden"
        assert yard.decisions(use_case="by-client", subject="client's person") == []
        with pytest.raises(NotFound):
            yard.decision(made[0])
        with pytest.raises(NotFound):
            yard.export_decisions(tmp_path / "no.csv", "csv", version="nothing@1")
    assert not (tmp_path / "no.csv").exists()
