"""Tasks over HTTP: status codes, problem details, and what each person is shown."""

from __future__ import annotations

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from api_yard import Server, person

from tests.bpmn.bpmn_text import process, user, xml

ABSENT = "sha256:" + "0" * 64
_numbers = itertools.count()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    return body


@dataclass
class Desk:
    """A server, people's tokens, and short ways to what they do."""

    server: Server
    tokens: dict[str, str]

    def ask(self, who: str, method: str, path: str, **how: Any) -> httpx.Response:
        return self.server.ask(method, path, token=self.tokens.get(who), **how)

    def do(self, who: str, path: str, **body: Any) -> httpx.Response:
        return self.ask(who, "POST", path, json=body)

    def task(self, forms: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
        """The task of a new instance of a new process."""
        key = f"p{next(_numbers)}"
        source = xml(process(key, "s -> t -> e", t=user(name=key, **given))).decode()
        made = self.do("dev", "/process-definitions", source=source, forms=forms or {}).raise_for_status().json()
        self.do("risk", f"/process-definitions/{made['id']}/publish").raise_for_status()
        instance = self.do("dev", f"/processes/{key}/instances").raise_for_status().json()
        rows = self.ask("dev", "GET", "/tasks", params={"instance": instance["id"]}).raise_for_status().json()["items"]
        assert len(rows) == 1
        found: dict[str, Any] = rows[0]
        return found


CAST = {
    "dev": ("developer",),
    "risk": ("risk_officer",),
    "val": ("validator",),
    "val2": ("validator",),
    "op": ("operator",),
    "nobody": (),
}


@pytest.fixture(scope="module")
def desk(server: Server) -> Desk:
    tokens = {who: person(server.url, server.administrator, f"tasks-{who}", *roles) for who, roles in CAST.items()}
    return Desk(server, tokens)


FORM = {
    "type": "object",
    "required": ["finding"],
    "properties": {"finding": {"type": "string", "minLength": 3}, "days": {"type": "integer", "default": 7}},
}


def test_a_task_from_inbox_to_record(desk: Desk) -> None:
    task = desk.task({"f": FORM}, extensions={"role": "validator", "form": "f"})
    inbox = desk.ask("val", "GET", "/tasks/inbox", params={"limit": 200}).json()
    assert task["id"] in [each["id"] for each in inbox]
    assert task["id"] not in [each["id"] for each in desk.ask("risk", "GET", "/tasks/inbox").json()]
    assert desk.do("val", f"/tasks/{task['id']}/claim").json()["status"] == "claimed"
    body = {"verdict": "approved", "comments": "seen", "data": {"finding": "fine"}}
    done = desk.do("val", f"/tasks/{task['id']}/complete", **body).json()
    assert (done["status"], done["result"]["days"]) == ("completed", 7)
    view = desk.ask("dev", "GET", f"/tasks/{task['id']}/view").json()
    [decision] = view["decisions"]
    assert (decision["verdict"], view["people"][decision["approver"]]) == ("approved", "tasks-val")
    kept = desk.ask("dev", "GET", "/task-decisions", params={"task": task["id"]})
    assert [each["id"] for each in kept.json()["items"]] == [decision["id"]]


def test_a_claimed_task_names_who_has_it(desk: Desk) -> None:
    task = desk.task(extensions={"role": "validator"})
    desk.do("val", f"/tasks/{task['id']}/claim").raise_for_status()
    for what, body in (("claim", {}), ("complete", {}), ("delegate", {"to": "tasks-val2"})):
        told = problem(desk.do("val2", f"/tasks/{task['id']}/{what}", **body), 409, "wrong_state")
        assert "claimed by tasks-val" in told["detail"]
    problem(desk.do("val2", f"/tasks/{task['id']}/release"), 403, "forbidden")
    assert desk.do("op", f"/tasks/{task['id']}/release").json()["assignee"] is None
    problem(desk.do("op", f"/tasks/{task['id']}/release"), 409, "wrong_state")


def test_of_many_claims_at_once_one_is_200_and_the_others_409(desk: Desk) -> None:
    task = desk.task(extensions={"role": "validator"})
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda who: desk.do(who, f"/tasks/{task['id']}/complete"), ["val", "val2"] * 3))
    assert sorted(each.status_code for each in found) == [200, *[409] * 5]


@pytest.mark.parametrize("who", ["dev", "op", "nobody"])
@pytest.mark.parametrize("what", ["claim", "complete"])
def test_who_may_not_is_refused_with_who_could(desk: Desk, who: str, what: str) -> None:
    task = desk.task(extensions={"role": "validator"})
    told = problem(desk.do(who, f"/tasks/{task['id']}/{what}"), 403, "forbidden")
    assert "validator" in told["hint"]


def test_who_started_it_does_not_give_the_verdict(desk: Desk) -> None:
    task = desk.task(extensions={"role": "developer"})
    told = problem(desk.do("dev", f"/tasks/{task['id']}/complete", verdict="approved"), 403, "forbidden")
    assert "separation.task-verdict" in told["detail"]
    assert desk.do("dev", f"/tasks/{task['id']}/complete").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": {"finding": "x"}}, "data.finding"),
        ({"data": {}}, "data.finding"),
        ({"data": {"finding": "fine", "other": 1}}, "data.other"),
        ({"verdict": "perhaps"}, "verdict"),
        ({"comments": "x" * 4001}, "comments"),
        ({"conditions": [{"text": "", "due": "2026-01-01T00:00:00Z"}]}, "conditions.0.text"),
        ({"surprise": 1}, "surprise"),
        ({"data": {"finding": "x" * (1 << 21)}}, "data"),
    ],
)
def test_a_fault_names_its_field_and_leaves_the_task(desk: Desk, body: dict[str, Any], field: str) -> None:
    task = desk.task({"f": FORM}, extensions={"role": "validator", "form": "f"})
    answer = desk.do("val", f"/tasks/{task['id']}/complete", **body)
    assert answer.status_code in (413, 422), answer.text
    told = answer.json()
    assert field in {e["field"] for e in told.get("errors", [])} | {told.get("field")}
    assert desk.ask("val", "GET", f"/tasks/{task['id']}").json()["status"] == "open"


def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for what in ("claim", "complete", "release"):
        problem(desk.do("val", f"/tasks/ins_nothing:w1/{what}"), 404, "not_found")
    problem(desk.ask("val", "GET", "/tasks/ins_nothing:w1/view"), 404, "not_found")
    task = desk.task(extensions={"role": "validator"})
    problem(desk.do("val", f"/tasks/{task['id']}/delegate", to="nobody-known"), 404, "not_found")
    told = problem(desk.do("val", f"/tasks/{task['id']}/delegate", to="tasks-op"), 403, "forbidden")
    assert told["field"] == "to"


def test_a_document_is_uploaded_before_it_is_attached(desk: Desk) -> None:
    task = desk.task(extensions={"role": "validator"})
    path = f"/tasks/{task['id']}/attachments"
    told = problem(desk.do("val", path, document=ABSENT, filename="a.txt"), 404, "not_found")
    assert "blobs" in told["hint"]
    content = f"minutes of {task['id']}".encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    desk.ask("dev", "POST", "/blobs", content=content).raise_for_status()
    note = desk.do("val", path, document=digest, filename="a.txt").json()
    assert (note["document"], note["filename"]) == (digest, "a.txt")
    problem(desk.do("op", path, document=digest, filename="a.txt"), 403, "forbidden")
    done = desk.do("val", f"/tasks/{task['id']}/complete").json()
    problem(desk.do("val", path, document=digest, filename="a.txt"), 409, "wrong_state")
    view = desk.ask("val", "GET", f"/tasks/{done['id']}/view").json()
    assert [e["digest"] for e in view["decisions"][0]["evidence"]] == [digest]


def test_a_repeated_request_with_its_key_is_answered_as_the_first(desk: Desk) -> None:
    task = desk.task(extensions={"role": "validator"})
    headers = {"Idempotency-Key": task["id"]}
    first, second = (
        desk.ask("val", "POST", f"/tasks/{task['id']}/complete", json={"comments": "x"}, headers=headers) for _ in range(2)
    )
    assert first.json() == second.json()
    other = desk.ask("val", "POST", f"/tasks/{task['id']}/complete", json={"comments": "y"}, headers=headers)
    problem(other, 409, "idempotency_mismatch")


def test_who_has_no_role_sees_no_inbox_and_who_is_unknown_nothing(desk: Desk) -> None:
    problem(desk.ask("nobody", "GET", "/tasks/inbox"), 403, "forbidden")
    answer = httpx.get(f"{desk.server.url}/api/v1/tasks/inbox")
    problem(answer, 401, "unauthenticated")
    assert problem(desk.ask("val", "GET", "/tasks/inbox", params={"limit": 1000}), 422, "invalid_input")["errors"]


def test_the_platforms_own_commands_have_no_address(desk: Desk) -> None:
    task = desk.task(extensions={"role": "validator"})
    answer = desk.do("op", f"/tasks/{task['id']}/tend")
    assert answer.status_code in (404, 405)
