"""What every request may rely on: being known, problem details, idempotency, dry runs, optimistic locking, streamed uploads."""

from __future__ import annotations

import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from api_yard import Server, person

ABSENT = "sha256:" + "0" * 64


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["code"], body["status"], body["type"].rsplit("/", 1)[1]) == (code, status, code)
    return body


def head(server: Server, path: str, length: int) -> bytes:
    """The beginning of a request by hand, for those that no client would send."""
    known = f"Authorization: Bearer {server.everybody}"
    return f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\n{known}\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize("header", [None, "Basic x", "Bearer", "Bearer nonsense", "Bearer myd_0000000000000000_00"])
def test_who_is_not_known_is_told_so(server: Server, header: str | None) -> None:
    answer = httpx.get(f"{server.url}/api/v1/me", headers={"Authorization": header} if header else {})
    assert problem(answer, 401, "unauthenticated")["hint"]
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_fault_names_its_field(server: Server) -> None:
    answer = server.ask("POST", "/use-cases", json={"name": "x", "tier": "enormous", "surprise": 1})
    body = problem(answer, 422, "invalid_input")
    assert {e["field"] for e in body["errors"]} == {"tier", "surprise"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"name": NaN}', b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused(server: Server, body: bytes) -> None:
    answer = server.ask("POST", "/use-cases", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("invalid_input", "http_error")


def test_unknown_records_paths_and_methods(server: Server) -> None:
    problem(server.ask("GET", "/versions/ver_nothing"), 404, "not_found")
    problem(server.ask("GET", "/nothing"), 404, "not_found")
    problem(server.ask("DELETE", "/versions/ver_nothing"), 405, "method_not_allowed")
    problem(server.ask("GET", "/versions", params={"sort": "colour"}), 422, "invalid_input")
    problem(server.ask("GET", "/versions", params={"after": "not-ours"}), 422, "invalid_input")
    problem(server.ask("GET", "/versions", params={"q": "colour=red"}), 422, "invalid_input")


def test_a_repeated_key_gives_the_first_result_once(server: Server) -> None:
    body, key = {"name": "idempotent"}, {"Idempotency-Key": "k-1"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.ask("POST", "/use-cases", json=body, headers=key), range(8)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["id"] for a in answers}) == 1
    other = server.ask("POST", "/use-cases", json={"name": "another"}, headers=key)
    problem(other, 409, "idempotency_mismatch")
    problem(server.ask("POST", "/use-cases", json=body), 409, "already_exists")


def test_a_dry_run_keeps_nothing(server: Server) -> None:
    answer = server.ask("POST", "/use-cases", json={"name": "dry"}, params={"dry_run": True})
    assert answer.json()["name"] == "dry"
    problem(server.ask("GET", "/use-cases/dry"), 404, "not_found")


def test_the_second_of_two_changes_is_told_that_it_is_late(server: Server) -> None:
    made = server.ask("POST", "/use-cases", json={"name": "contested"}).json()
    change = {"title": "first", "revision": made["revision"]}
    assert server.ask("PATCH", "/use-cases/contested", json=change).status_code == 200
    problem(server.ask("PATCH", "/use-cases/contested", json=change), 409, "stale_revision")


def test_what_policy_forbids_is_refused_and_recorded(server: Server) -> None:
    viewer = person(server.url, server.administrator, "vic", "viewer")
    body = problem(server.ask("POST", "/use-cases", json={"name": "no"}, token=viewer), 403, "forbidden")
    assert "viewer" in body["detail"]
    mine = server.ask("GET", "/me", token=viewer).json()["id"]
    found = server.ask("GET", "/audit", params={"actor": mine, "outcome": "refused"}).json()["items"]
    assert [r["action"] for r in found] == ["catalog.register_use_case"]


def test_every_refusal_is_recorded_whether_a_command_led_to_it_or_not(server: Server) -> None:
    viewer = person(server.url, server.administrator, "vera", "viewer")
    outcomes = {"source": "t", "outcomes": [{"decision": "d", "values": {"late": True}}]}
    problem(server.ask("GET", "/tokens", token=viewer), 403, "forbidden")
    problem(server.ask("POST", "/blobs", content=b"x", token=viewer), 403, "forbidden")
    problem(server.ask("POST", "/outcomes", json=outcomes, token=viewer), 403, "forbidden")
    mine = server.ask("GET", "/me", token=viewer).json()["id"]
    found = server.ask("GET", "/audit", params={"actor": mine, "outcome": "refused", "sort": "id"}).json()["items"]
    assert [r["action"] for r in found] == ["http.list_tokens", "http.upload_blob", "http.post_outcomes"]
    assert {r["error_code"] for r in found} == {"forbidden"}


def test_lists_are_paged_sorted_and_filtered(server: Server) -> None:
    for number in range(7):
        server.ask("POST", "/use-cases", json={"name": f"paged-{number}", "description": "zebra crossing"})
    seen: list[str] = []
    cursor = None
    while True:
        page = server.ask(
            "GET",
            "/use-cases",
            params={"q": "zebra", "sort": "-name", "limit": 3, "after": cursor}
            if cursor
            else {"q": "zebra", "sort": "-name", "limit": 3},
        ).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page.get("next")
        if not cursor:
            break
    assert seen == [f"paged-{n}" for n in range(6, -1, -1)]
    only = server.ask("GET", "/use-cases", params={"q": "name=paged-3"}).json()["items"]
    assert [item["name"] for item in only] == ["paged-3"]


def test_an_upload_comes_back_byte_for_byte(server: Server) -> None:
    content = bytes(range(256)) * 5000
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    kept = server.ask("POST", "/blobs", content=content, headers={"Content-Digest": digest}).json()
    assert kept == {"digest": digest, "size": len(content)}
    assert server.ask("GET", f"/runtime/blobs/{digest}").content == content


def test_an_upload_that_is_not_what_it_says_is_not_kept(server: Server) -> None:
    content = b"x" * 3_000_000
    digest = "sha256:" + hashlib.sha256(b"something else").hexdigest()
    problem(server.ask("POST", "/blobs", content=content, headers={"Content-Digest": digest}), 403, "untrusted")
    for name in (digest, "sha256:" + hashlib.sha256(content).hexdigest(), ABSENT):
        problem(server.ask("GET", f"/runtime/blobs/{name}"), 404, "not_found")
    problem(server.ask("POST", "/blobs", content=b"", headers={"Content-Digest": "md5:1"}), 422, "invalid_input")


def test_an_upload_that_is_cut_off_leaves_nothing(server: Server) -> None:
    whole = b"y" * 1_000_000
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        sender.sendall(head(server, "blobs", len(whole)) + whole[:400_000])
    digest = "sha256:" + hashlib.sha256(whole[:400_000]).hexdigest()
    problem(server.ask("GET", f"/runtime/blobs/{digest}"), 404, "not_found")
    assert server.ask("POST", "/blobs", content=whole).status_code == 200


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "invalid_artifact"), (b"\x00" * 100, "unknown_format"), (b"not a model at all", "unknown_format")],
    ids=["empty", "zeros", "text"],
)
def test_a_file_that_is_no_model_is_not_registered(server: Server, content: bytes, code: str) -> None:
    server.ask("POST", "/use-cases", json={"name": "files"})
    server.ask("POST", "/models", json={"name": "files-model", "use_case": "files", "kind": "ml"})
    digest = server.ask("POST", "/blobs", content=content).json()["digest"]
    body = {"model": "files-model", "artifact": digest, "filename": "model.onnx"}
    answer = server.ask("POST", "/versions", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in (code, "invalid_artifact")
    assert server.ask("GET", "/versions", params={"q": "model=files-model"}).json()["items"] == []


def test_a_version_of_a_blob_that_is_not_there(server: Server) -> None:
    body = {"model": "files-model", "artifact": ABSENT, "filename": "model.onnx"}
    problem(server.ask("POST", "/versions", json=body), 404, "not_found")
    problem(server.ask("POST", "/versions", json=body | {"filename": "../../etc/passwd"}), 422, "invalid_input")


def test_outcomes_say_what_became_of_them(server: Server) -> None:
    body = {"source": "test", "outcomes": [{"decision": "dec_unknown", "values": {"late": True}}]}
    first = server.ask("POST", "/outcomes", json=body).json()
    assert (first["accepted"], first["unknown"]) == (1, ["dec_unknown"])
    assert server.ask("POST", "/outcomes", json=body).json()["repeated"] == 1
    corrected = {"source": "test", "outcomes": [{"decision": "dec_unknown", "values": {"late": False}}]}
    assert server.ask("POST", "/outcomes", json=corrected).json()["corrected"] == 1
    problem(server.ask("POST", "/outcomes", json={"source": "test", "outcomes": []}), 422, "invalid_input")


def test_a_body_beyond_all_bounds_is_refused_before_it_is_read(server: Server) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        sender.sendall(head(server, "use-cases", 99_999_999_999))
        answer = sender.recv(1000)
    assert answer.split(b" ")[1] == b"413"
    assert b"connection: close" in answer


def test_a_refusal_before_the_body_leaves_the_connection_usable(server: Server) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        sender.sendall(head(server, "no-such-collection", 20))
        sender.sendall(b"{")
        sender.sendall(b" " * 19)
        answer = sender.recv(1000)
        assert answer.split(b" ")[1] == b"404"
        assert b"connection: close" not in answer
        sender.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert sender.recv(1000).split(b" ")[1] == b"200"
