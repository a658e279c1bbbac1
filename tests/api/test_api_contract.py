"""The API is what its description says, and the description is what was reviewed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from api_yard import Server

from modelyard.api.commands import ROWS
from modelyard.api.openapi import description
from modelyard.catalog.commands import RegisterVersion
from modelyard.core.messages import Command
from modelyard.delivery.batches.commands import RecordBatch
from modelyard.delivery.commands import ReconcileOrder, RecordFallbacks, RefuseOrder
from modelyard.governance.bootstrap import BootstrapGates, BootstrapRuntime
from modelyard.governance.custody import commands as custody
from modelyard.governance.identity.commands import BootstrapAdministrator
from modelyard.governance.policy.cedar import known_actions
from modelyard.governance.releases.commands import RecordRefusals
from modelyard.lifecycle.commands import DeliverEvent, DoWork, FireTimer, RecordFailure, RecordResult
from modelyard.lifecycle.tasks.commands import TendTask
from modelyard.monitoring.commands import RecordRun

ROOT = Path(__file__).parents[2]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
WITHOUT_A_ROW = {
    *(BootstrapAdministrator, BootstrapGates, BootstrapRuntime, RecordRefusals, RecordRun, RecordBatch, RegisterVersion),
    *(RecordFallbacks, ReconcileOrder, RefuseOrder),
    *(DeliverEvent, DoWork, FireTimer, RecordFailure, RecordResult, TendTask),
    *(custody.RecordRetention, custody.JudgeErasure, custody.RecordErasure),
    *(custody.ExportDecisions, custody.RevealDecisions, custody.BackfillDecisions),  # given by the ways to read and write the log
}


SELF_HARM = ("governance_deactivate_identity", "governance_revoke_token", "governance_revoke_role")
"""What would take away the very token that asks; these have tests of their own."""


def commands(of: type[Command] = Command) -> set[type[Command]]:
    found = {c for sub in of.__subclasses__() for c in commands(sub)}
    return found | ({of} if "action" in vars(of) and of.__module__.startswith("modelyard.") else set())


def test_the_description_is_the_checked_in_one() -> None:
    kept = (ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8")
    assert description() == kept, "the API has changed: look at it, then run `make reference`"


def test_every_command_has_a_place_or_a_reason_to_have_none() -> None:
    assert commands() - {row.command for row in ROWS} == WITHOUT_A_ROW


def test_policies_know_exactly_the_commands_that_exist() -> None:
    assert known_actions() - {"read"} == {command.action for command in commands()}


def fuzz(server: Server, examples: int, tmp_path: Path) -> str:
    """What schemathesis says of the running server."""
    arguments = [
        *("run", f"{server.url}/openapi.json", "-H", f"Authorization: Bearer {server.everybody}"),
        *("--checks", CHECKS, "--max-examples", str(examples), "--phases", "fuzzing", "--seed", "1"),
        *("--continue-on-failure", "--no-color", "--request-timeout", "30", "--workers", "2"),
        *("--generation-database", "none"),
        *(word for name in SELF_HARM for word in ("--exclude-operation-id", name)),
    ]
    program = Path(sys.executable).parent / "schemathesis"
    found = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=1500, check=False)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    return found.stdout


def test_no_input_gives_a_server_error_or_an_undocumented_answer(victim: Server, tmp_path: Path) -> None:
    assert "passed" in fuzz(victim, 1, tmp_path)


@pytest.mark.slow
def test_many_inputs_give_no_server_error_and_no_undocumented_answer(victim: Server, tmp_path: Path) -> None:
    assert "passed" in fuzz(victim, 20, tmp_path)
