"""Break in wherever somebody could. Nothing that was not approved serves, and each attempt leaves a trace in the audit log."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from processes_yard import THIRD, Yard, eventually

from modelyard.storage.key_files import KeyFiles
from modelyard.trust import Purpose


@pytest.fixture
def name() -> str:
    """An endpoint that no other test knows."""
    return f"e{uuid.uuid4().hex[:8]}"


def serves_nothing(yard: Yard, endpoint: str) -> bool:
    return yard.ask(endpoint).status_code in {404, 503}


def test_an_unapproved_version_is_not_deployed(yard: Yard, name: str, second: Any) -> None:
    yard.passed(second)
    yard.endpoint(name)
    scope = {"use_case": "credit", "endpoints": [name], "roles": ["champion"]}
    omar, dana, bea = (yard.people[n] for n in ("omar", "dana", "bea"))
    asked = omar.do("/approvals", {"version": second["id"], "scope": scope})
    before = len(yard.refusals())

    unsigned = omar.ask("POST", "/releases", {"approval": asked["id"]}, params={"reason": "test"})
    assert (unsigned.status_code, unsigned.json()["code"]) == (403, "not_approved")
    own = {"verdict": "approved", "comments": "mine", "shown": asked["bound"]}
    for person in (omar, dana):
        assert person.ask("POST", f"/approvals/{asked['id']}/decisions", own, params={"reason": "x"}).status_code == 403
    early = bea.ask("POST", f"/endpoints/{name}/deploy", {"release": "rel_none"}, params={"reason": "x"})
    assert early.status_code in {403, 404}
    missing = omar.ask("POST", f"/endpoints/{name}/deploy", {"release": "rel_none"}, params={"reason": "x"})
    assert missing.status_code == 404

    yard.await_epoch()
    assert serves_nothing(yard, name)
    found = [(r["action"], r["outcome"]) for r in yard.refusals()][: len(yard.refusals()) - before]
    assert found.count(("governance.decide_approval", "refused")) == 2
    assert ("governance.issue_release", "refused") in found


def test_a_release_is_not_stretched_to_another_endpoint(yard: Yard, name: str, first: Any) -> None:
    release = yard.release(first, f"{name}-other")
    yard.endpoint(name)
    answer = yard.people["omar"].ask("POST", f"/endpoints/{name}/deploy", {"release": release["id"]}, params={"reason": "replay"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_approved")
    assert serves_nothing(yard, name)
    assert yard.refusals(action="delivery.deploy", subject_id=name)


def test_a_swapped_artifact_does_not_serve(yard: Yard, name: str) -> None:
    version = yard.version(THIRD)
    release = yard.release(version, yard.endpoint(name))
    digest = version["manifest"]["serving"]["digest"].removeprefix("sha256:")
    blob = yard.settings.home / "blobs" / "sha256" / digest[:2] / digest
    genuine = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(genuine[:-1] + bytes([genuine[-1] ^ 1]))
    yard.deploy(name, release)
    yard.await_epoch()
    refusal = yard.await_refusal(name, error_code="untrusted")
    assert digest in refusal["error_detail"]
    assert serves_nothing(yard, name)

    blob.write_bytes(genuine)
    yard.publish()
    eventually(lambda: yard.ask(name).status_code == 200, "the genuine artifact serves")


def test_edited_evidence_and_an_edited_release_are_revoked_by_the_sweep(yard: Yard, name: str, first: Any) -> None:
    evidenced, signed = f"{name}-evidence", f"{name}-release"
    by_evidence = yard.serving(evidenced, first)
    by_release = yard.serving(signed, first)
    approval = yard.people["omar"].get(f"/approvals/{by_evidence['approval']}")
    report = next(e["id"] for e in approval["evidence"] if e["type"] == "test_report")
    yard.break_in("UPDATE evidence SET body = replace(body, '0.8', '0.9') WHERE id = ?", report, table="evidence")
    envelope = json.loads(by_release["envelope"])
    envelope["payload"] = envelope["payload"][:-8] + "AAAAAAAA"
    forged = json.dumps(json.dumps(envelope))
    yard.break_in(
        "UPDATE releases SET body = json_set(body, '$.envelope', json(?)) WHERE id = ?",
        forged,
        by_release["id"],
        table="releases",
    )

    wanted = {by_evidence["id"], by_release["id"]}
    eventually(lambda: wanted <= {r["id"] for r in yard.people["rita"].all("/revocations")}, "the sweep revokes both", 40)
    for endpoint, release in ((evidenced, by_evidence), (signed, by_release)):
        eventually(lambda endpoint=endpoint: serves_nothing(yard, endpoint), f"{endpoint} serves nothing")  # type: ignore[misc]
        assert yard.await_refusal(endpoint)["error_code"] in {"not_approved", "untrusted"}
        revoked = yard.people["rita"].get("/audit", action="governance.revoke_release", subject_id=release["id"])["items"]
        assert [(r["actor"], r["outcome"]) for r in revoked] == [("system", "done")]
    told = yard.people["rita"].get("/audit/verify")
    assert {"evidence", "releases"} <= {f["table"] for f in told["records"]}
    assert not told["ok"]


def test_an_edited_release_row_does_not_widen_what_was_signed(yard: Yard, name: str, first: Any, second: Any) -> None:
    yard.serving(name, first)
    narrow = yard.release(second, name, greatest_share=0.1)
    yard.break_in(
        "UPDATE releases SET body = json_set(body, '$.greatest_share', 1.0) WHERE id = ?", narrow["id"], table="releases"
    )
    yard.deploy(name, narrow, role="challenger", share=0.5)
    yard.await_epoch()
    refusal = yard.await_refusal(name, error_code="not_approved")
    assert "share" in refusal["error_detail"]
    drawn = [yard.ask(name, amount=float(i)) for i in range(30)]
    # What was drawn for the refused arm has nobody to answer it.
    assert {answer.status_code for answer in drawn} == {200, 503}, [answer.text for answer in drawn]
    told = [answer.json()["parameters"]["groups"][0]["version"] for answer in drawn if answer.status_code == 200]
    assert set(told) == {first["id"]}


def test_an_edited_endpoint_row_does_not_serve_another_version(yard: Yard, name: str, first: Any, second: Any) -> None:
    yard.serving(name, first)
    statement = "UPDATE endpoints SET body = json_set(body, '$.arms[0].manifest', ?, '$.arms[0].version', ?) WHERE name = ?"
    yard.break_in(statement, second["manifest_digest"], second["id"], name, table="endpoints")
    yard.publish()
    yard.await_epoch()
    yard.await_refusal(name, action="delivery.publish_routes", error_code="untrusted")
    assert serves_nothing(yard, name)


def test_an_older_snapshot_is_refused(yard: Yard, name: str, first: Any) -> None:
    yard.serving(name, first)
    older = yard.people["omar"].get("/routes", limit=1, sort="-epoch")["items"][0]
    epoch = yard.await_epoch(yard.publish())
    # As if it were newer: otherwise the control plane itself would not hand it out.
    statement = "UPDATE route_snapshots SET body = json_set(body, '$.envelope', ?, '$.epoch', ?), epoch = ? WHERE epoch = ?"
    yard.break_in(statement, older["envelope"], epoch + 1, epoch + 1, epoch, table="route_snapshots")
    assert "epoch" in yard.await_refusal("unknown", error_code="older_epoch")["error_detail"]
    assert yard.status()["epoch"] == epoch
    assert yard.ask(name).status_code == 200  # what was accepted goes on
    yard.await_epoch(yard.publish())


def test_a_revoked_release_serves_no_more(yard: Yard, name: str, first: Any) -> None:
    release = yard.serving(name, first)
    yard.people["rita"].do(f"/releases/{release['id']}/revoke", {"cause": "found a leak"})
    eventually(lambda: serves_nothing(yard, name), "the revoked release serves no more")
    assert "revoked" in yard.await_refusal(name, error_code="not_approved")["error_detail"]
    again = yard.people["omar"].ask("POST", f"/endpoints/{name}/deploy", {"release": release["id"]}, params={"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (403, "not_approved")


def test_a_runtime_with_other_trust_roots_serves_nothing(yard: Yard, name: str, first: Any, tmp_path: Any) -> None:
    yard.serving(name, first)
    stranger = KeyFiles(tmp_path / "keys")
    stranger.ensure(datetime.now(UTC))
    assert stranger.signer(Purpose.ROUTES).key_id not in {r.key_id for r in KeyFiles(yard.settings.home / "keys").roots().roots}
    yard.stop("runtime")
    try:
        yard.start("runtime", "--trust-roots", str(tmp_path / "keys" / "trust-roots.json"), "--name", "swapped")
        refusal = yard.await_refusal(None, refused_elsewhere="swapped-1")
        assert refusal["error_code"] == "unknown_key"
        assert yard.status()["epoch"] is None
        assert serves_nothing(yard, name)
    finally:
        yard.stop("runtime")
        yard.start("runtime")
    eventually(lambda: yard.ask(name).status_code == 200, "with its own roots it serves again")
