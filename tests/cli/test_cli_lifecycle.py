"""A model's governed life by the command line alone: registered, gated, approved by others, released, deployed, rolled back."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from cli_yard import People, Project, Run, Served


def released(yard: Run, people: People, version: str, project: Project, endpoint: str, role: str) -> str:
    """Take a registered version to a release; gives the release's id."""
    metrics = ("--metric", "checks=3", "--metric", "checks_failed=0")
    assert yard("evidence", "add", version, "test_report", *metrics, as_=people["val"]).code == 0
    assert yard("evidence", "add", version, "scan", "--metric", "dangers=0", as_=people["val"]).code == 0
    assert yard("evidence", "add", version, "validation", "--summary", "challenged", as_=people["val"]).code == 0
    judged = yard("gate", "evaluate", version, as_=people["val"])
    assert judged.code == 0, judged.out + judged.err
    scope = ("--use-case", project.use_case, "--endpoint", endpoint, "--role", role)
    asked = yard("approval", "request", version, *scope, "-o", "name", as_=people["omar"])
    assert asked.code == 0, asked.err
    assert "waits for business_owner, validator" in asked.err
    approval = asked.out.strip()

    waiting = yard("release", "issue", approval, as_=people["omar"])
    assert waiting.code == 8
    assert waiting.err.startswith("waiting: waits for")
    unasked = yard("approval", "approve", approval, "--comments", "fine", as_=people["bo"])
    assert unasked.code == 2
    assert "--yes" in unasked.err
    assert version in unasked.err
    first = yard("approval", "approve", approval, "--comments", "worth it", "--yes", as_=people["bo"])
    assert first.code == 0, first.err
    assert "1 of 2 given" in first.err
    still = yard("release", "issue", approval, "-o", "json", as_=people["omar"])
    assert still.code == 8
    assert json.loads(still.err)["code"] == "waiting"
    assert yard("approval", "show", approval, "--wait", "--wait-seconds", "0", as_=people["omar"]).code == 8
    second = yard("approval", "approve", approval, "--comments", "sound", "--yes", as_=people["val"])
    assert "the approval is approved" in second.err, second.err
    issued = yard("release", "issue", approval, "-o", "name", as_=people["omar"])
    assert issued.code == 0, issued.err
    return issued.out.strip()


def test_a_model_from_code_to_rollback(yard: Run, people: People, project: Project) -> None:
    registered = yard("register", "-f", project.write(1.0, "first"), as_=people["dana"])
    assert registered.code == 0, registered.err
    one, two = f"{project.model}@1", f"{project.model}@2"
    assert f"registered {one}" in registered.err
    assert f"next: modelyard version checks {one}" in registered.err
    again = yard("register", "-f", project.write(2.0, "second"), "-o", "json", as_=people["dana"])
    assert again.code == 0, again.err
    assert again.json["version"]["number"] == 2

    shown = yard("version", "show", one)
    assert shown.code == 0, shown.err
    assert "predictor" in shown.out
    assert yard("show", one, "-o", "json").json["status"] == "registered"
    assert yard("version", "list", "--model", project.model, "-o", "json").json[0]["number"] == 2
    assert yard("version", "inventory", one).code == 0
    assert "artifact" in yard("diff", one, two).out
    assert yard("diff", one, two, "-o", "json").json["before"] == one
    assert yard("gate", "evaluate", one, as_=people["val"]).code == 1

    endpoint = f"ep-{uuid.uuid4().hex[:8]}"
    made = yard("endpoint", "create", endpoint, "--use-case", project.use_case, as_=people["omar"])
    assert made.code == 0, made.err
    champion = released(yard, people, one, project, endpoint, "champion")
    challenger = released(yard, people, two, project, endpoint, "champion")

    def act(*words: str) -> str:
        said = yard(*words, "--reason", "test", "-o", "json", as_=people["omar"])
        assert said.code == 0, said.err
        return said.err

    assert yard("deploy", endpoint, champion, as_=people["omar"]).code == 2
    assert "v1 champion 100%" in act("deploy", endpoint, champion)
    refused = yard("deploy", endpoint, challenger, "--role", "challenger", "--share", "0.1", "--reason", "x", as_=people["omar"])
    assert refused.code == 1
    assert "v2 champion 100%" in act("deploy", endpoint, challenger)
    preview = yard("rollback", endpoint, "--reason", "look", "--dry-run", as_=people["omar"])
    assert "nothing kept" in preview.err
    assert "v1 champion 100%" in act("rollback", endpoint)
    changes = yard("endpoint", "changes", endpoint, "-o", "json").json
    assert [c["action"] for c in changes][:1] == ["rollback"]

    served = yard("history", project.model, "--at", "2999-01-01T00:00Z", "-o", "json").json
    assert [s["endpoint"] for s in served] == [endpoint]
    ended = yard("release", "revoke", challenger, "--reason", "broken", as_=people["rita"])
    assert ended.code == 0, ended.err


def test_an_approval_shows_everything_that_its_digest_covers(yard: Run, people: People, project: Project) -> None:
    yard("register", "-f", project.write(1.0, "first"), as_=people["dana"])
    version = f"{project.model}@1"
    yard("evidence", "add", version, "test_report", "--metric", "checks=1", "--metric", "checks_failed=0", as_=people["val"])
    yard("evidence", "add", version, "scan", "--metric", "dangers=0", as_=people["val"])
    yard("evidence", "add", version, "validation", "--summary", "challenged by val", as_=people["val"])
    yard("gate", "evaluate", version, as_=people["val"])
    scope = ("--use-case", project.use_case, "--endpoint", "e1", "--greatest-share", "0.25")
    approval = yard("approval", "request", version, *scope, "-o", "name", as_=people["omar"]).out.strip()
    shown = yard("approval", "show", approval)
    for word in (version, "challenged by val", "bound", "e1", "0.25", "artifact was scanned", "waits for"):
        assert word in shown.out
    told = yard("approval", "show", approval, "-o", "json").json
    assert {e["type"] for e in told["evidence"]} >= {"test_report", "validation"}
    own = yard("approval", "approve", approval, "--comments", "me", "--yes", as_=people["omar"])
    assert own.code == 1
    rejected = yard("approval", "reject", approval, "--comments", "not yet", "--yes", as_=people["bo"])
    assert rejected.code == 0, rejected.err
    assert "rejected" in rejected.err
    assert yard("release", "issue", approval, as_=people["omar"]).code == 1


def test_register_from_flags_alone(yard: Run, people: People, project: Project) -> None:
    folder = Path(project.write(1.0, "x"))
    yard("use-case", "register", project.use_case, as_=people["dana"])
    yard("model", "register", project.model, "--use-case", project.use_case, as_=people["dana"])
    words = ("register", str(folder / "model.onnx"), "--model", project.model, "--sample", str(folder / "sample.csv"))
    tried = yard(*words, "--dry-run", as_=people["dana"])
    assert tried.code == 0, tried.err
    assert yard("version", "list", "--model", project.model, "-o", "json").json == []
    said = yard(*words, "--metric", "auc=0.9", "--tag", "nightly", "--notes", "by flags", "-o", "json", as_=people["dana"])
    assert said.code == 0, said.err
    version = said.json["version"]
    assert version["metrics"]["auc"]["value"] == 0.9
    assert version["notes"] == "by flags"
    assert yard("register", str(folder / "model.onnx"), as_=people["dana"]).code == 2


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"cos\nsystem\n(S'true'\ntR.", b"PK\x03\x04broken", b"{}"])
def test_what_is_no_model_is_refused_with_a_sentence(yard: Run, people: People, project: Project, content: bytes) -> None:
    yard("use-case", "register", project.use_case, as_=people["dana"])
    yard("model", "register", project.model, "--use-case", project.use_case, as_=people["dana"])
    file = project.folder / "model.onnx"
    file.write_bytes(content)
    said = yard("register", str(file), "--model", project.model, as_=people["dana"])
    assert said.code == 1
    assert said.err.splitlines()[-1].strip()
    assert "Traceback" not in said.err
    assert yard("version", "list", "--model", project.model, "-o", "json").json == []


def test_init_writes_a_manifest_that_register_understands(run: Run, tmp_path: Path) -> None:
    said = run("init", "models/late.onnx", "--folder", str(tmp_path))
    assert said.code == 0, said.err
    assert "artifact: models/late.onnx" in (tmp_path / "modelyard.yaml").read_text()
    assert run("init", "--folder", str(tmp_path)).code == 2
    missing = run("register", "-f", str(tmp_path))
    assert missing.code == 2
    assert "late.onnx" in missing.err


def test_audit_is_listed_verified_and_proved(yard: Run, served: Served, people: People, tmp_path: Path) -> None:
    yard("use-case", "register", f"uc-{uuid.uuid4().hex[:8]}", "--reason", "to be audited", as_=people["dana"])
    listed = yard("audit", "list", "--action", "catalog.register_use_case", "-q", "audited", "-o", "json").json
    assert listed[0]["reason"] == "to be audited"
    verified = yard("audit", "verify", "-o", "json")
    assert verified.code in (0, 1)
    assert verified.json["ok"] is (verified.code == 0)
    said = yard("audit", "verify")
    assert said.out.strip()
    assert yard("audit", "show", listed[0]["id"]).code == 0
