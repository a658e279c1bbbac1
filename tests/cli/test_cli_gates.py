"""Gates and risk tiers by the command line: read as tables, exported, replaced by what two risk officers approved."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from cli_yard import People, Run

FACTS = json.dumps(
    {"checks": [{"name": name, "passed": True} for name in ("examples in gate.csv agree", "tables keep their hit policies")]}
)
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "change-a-gate.md"
RISK = HOW_TO.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]


def test_a_gate_is_shown_as_the_tables_that_it_is(yard: Run) -> None:
    listed = yard("gate", "list", "-o", "name")
    assert {"production", "governance", "risk-tier"} <= set(listed.out.split())
    shown = yard("gate", "show", "production")
    assert shown.code == 0, shown.err
    for word in (
        "Conditions (rule order)",
        "MUST-SHOW",
        "artifact was scanned",
        "at least  0.6",
        "business_owner",
        "why".upper(),
    ):
        assert word in shown.out
    assert "<definitions" not in shown.out
    whole = yard("gate", "show", "production", "-o", "json").json
    assert whole["source"].startswith("<?xml")
    assert "Materiality (unique)" in yard("gate", "show", "risk-tier").out


def test_a_gate_is_exported_edited_judged_approved_and_adopted(yard: Run, people: People, tmp_path: Path) -> None:
    stage, model = (f"{word}-{uuid.uuid4().hex[:8]}" for word in ("rehearsal", "gate"))
    file = tmp_path / "gate.dmn"
    assert yard("gate", "export", "production", "--out", str(file)).code == 0
    assert file.read_text("utf-8") == yard("gate", "export", "production").out
    file.write_text(file.read_text("utf-8").replace("<text>0.6</text>", "<text>0.9</text>"))
    rows = "tier,evidence,version.kind\nlow,[],ml\nhigh,[],rules\n"
    (tmp_path / "asked.csv").write_text(rows)
    registered = yard("model", "register", model, "--use-case", "platform-governance", "--kind", "rules", as_=people["dana"])
    assert registered.code == 0, registered.err
    kept = yard("register", str(file), "--model", model, "--sample", str(tmp_path / "asked.csv"), as_=people["dana"])
    assert kept.code == 0, kept.err
    version = f"{model}@1"
    early = yard("gate", "adopt", stage, version, "--reason", "now", "--yes", as_=people["rita"])
    assert (early.code, "nobody asked" in early.err) == (1, True), early.err
    for kind, metrics in (("scan", ("dangers=0",)), ("test_report", ("checks=2", "checks_failed=0"))):
        given = [word for metric in metrics for word in ("--metric", metric)]
        told = yard("evidence", "add", version, kind, *given, "--set", f"facts={FACTS}", as_=people["val"])
        assert told.code == 0, told.err
    judged = yard("gate", "evaluate", version, "--stage", "governance", as_=people["val"])
    assert judged.code == 0, judged.out + judged.err
    for word in ("examples agree", "REASON", "CATEGORY", "soundness", "--endpoint GATE --stage governance"):
        assert word in judged.out + judged.err
    scope = ("--use-case", "platform-governance", "--endpoint", stage, "--stage", "governance")
    approval = yard("approval", "request", version, *scope, "-o", "name", as_=people["omar"])
    assert "waits for risk_officer, risk_officer" in approval.err, approval.err
    for who in ("rita", "ruth"):
        last = yard("approval", "approve", approval.out.strip(), "--comments", "read it", "--yes", as_=people[who])
        assert last.code == 0, last.err
    assert f"modelyard gate adopt {stage}" in last.err
    adopted = yard("gate", "adopt", stage, version, "--reason", "agreed", "--yes", as_=people["ruth"])
    assert adopted.code == 0, adopted.err
    assert f"{version} is {stage} number 1" in adopted.err
    assert "at least  0.9" in yard("gate", "show", stage).out


def test_a_use_case_is_rated_by_the_rule_in_force(yard: Run, people: People, tmp_path: Path) -> None:
    name = f"mail-{uuid.uuid4().hex[:8]}"
    assert yard("use-case", "register", name, as_=people["dana"]).code == 0
    (tmp_path / "risk.yaml").write_text(RISK)
    rated = yard("use-case", "assess", name, "--file", str(tmp_path / "risk.yaml"), as_=people["dana"])
    assert rated.code == 0, rated.err
    assert f"{name} is of tier low" in rated.err
    change = ("--set", "eu_class=high", "--tier", "medium")
    alone = yard("use-case", "assess", name, "-f", str(tmp_path / "risk.yaml"), *change, as_=people["rita"])
    assert (alone.code, "rationale" in alone.err) == (2, True)
    lower = yard(
        "use-case", "assess", name, "-f", str(tmp_path / "risk.yaml"), *change, "--rationale", "pilot", as_=people["rita"]
    )
    assert lower.code == 0, lower.err
    prohibited = ("--set", "eu_class=prohibited")
    refused = yard("use-case", "assess", name, "-f", str(tmp_path / "risk.yaml"), *prohibited, as_=people["rita"])
    assert (refused.code, "not permitted" in refused.err) == (1, True)
    known = yard("use-case", "assessments", name)
    assert [line.split()[1] for line in known.out.splitlines()[1:]] == ["medium", "low"]
