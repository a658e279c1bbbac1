"""Everything running: a worker checks, a runtime answers, decisions and outcomes are logged, callers feel a rollback."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_yard import ROLES, Project, Run

from modelyard.bootstrap import Settings
from modelyard.client import Client
from modelyard.core.errors import InvalidInput, ModelyardError
from modelyard.worker.up import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    settings = Settings(home=tmp_path_factory.mktemp("house") / "home", port=ports[0], runtime_port=ports[1])
    with House(settings) as started:
        yield started


def answered(client: Client, endpoint: str, version: str) -> None:
    """Wait until that version answers."""
    end = datetime.now(UTC) + timedelta(seconds=30)
    pause, told = threading.Event(), ""
    while datetime.now(UTC) < end:
        try:
            if client.decide(endpoint, {"a": [1.0], "b": [0.5]}).groups[0]["arm"] == version:
                return
        except ModelyardError as error:
            told = str(error)
        pause.wait(0.1)
    pytest.fail(f"{version} does not answer: {told}")


@pytest.mark.slow
def test_a_decision_is_asked_for_logged_and_judged(
    house: House, run: Run, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = house.settings
    for name, value in (("URL", settings.url), ("RUNTIME_URL", settings.runtime_url), ("HOME", str(settings.home))):
        monkeypatch.setenv(f"MODELYARD_{name}", value)
    tokens = {"admin": house.administrator or ""}

    def act(who: str, *words: str, code: int = 0) -> str:
        monkeypatch.setenv("MODELYARD_TOKEN", tokens[who])
        said = run(*words)
        assert said.code == code, f"{words}: {said.out}{said.err}"
        return said.out.strip()

    for name, role in ROLES.items():
        act("admin", "identity", "create", name)
        act("admin", "role", "grant", name, role, "--reason", "for the test")
        tokens[name] = act("admin", "token", "issue", name)

    endpoint, releases = f"ep-{uuid.uuid4().hex[:8]}", []
    for number, weight in ((1, 1.0), (2, -1.0)):
        act("dana", "register", "-f", project.write(weight, f"number {number}"))
        version = f"{project.model}@{number}"
        act("dana", "version", "checks", version, "--wait")
        act("val", "evidence", "add", version, "validation", "--summary", "challenged")
        if number == 1:
            act("omar", "endpoint", "create", endpoint, "--use-case", project.use_case)
        act("val", "gate", "evaluate", version)
        scope = ("--use-case", project.use_case, "--endpoint", endpoint, "--role", "champion", "--role", "shadow")
        approval = act("omar", "approval", "request", version, *scope, "-o", "name")
        act("bo", "approval", "approve", approval, "--comments", "worth it", "--yes")
        act("val", "approval", "approve", approval, "--comments", "sound", "--yes")
        releases.append(act("omar", "release", "issue", approval, "-o", "name"))

    with Client() as client:
        for arm, release in zip(("v1", "v2"), releases, strict=True):
            act("omar", "deploy", endpoint, release, "--reason", "test")
            answered(client, endpoint, arm)
        act("omar", "rollback", endpoint, "--reason", "worse")
        answered(client, endpoint, "v1")
        answers = client.decide(endpoint, [{"a": 1.0, "b": 0.5}, {"a": 0.0, "b": 1.0}], routing_keys=["x", "y"])
        with pytest.raises(InvalidInput, match="missing"):
            client.decide(endpoint, {"a": [1.0]})
    assert len(answers) == 2
    (scores,) = (values for name, values in answers.outputs.items() if "label" not in name)
    first = scores[0][0] if isinstance(scores[0], list) else scores[0]
    assert first == pytest.approx(0.6792, abs=1e-3), answers.outputs

    file = tmp_path / "outcomes.csv"
    file.write_text("decision,late\n" + "".join(f"{d},true\n" for d in answers.decision_ids))
    assert '"unknown_count": 0' in act("omar", "outcomes", "post", str(file), "-o", "json")
    logged = act("omar", "decisions", "--endpoint", endpoint, "-o", "name").split()
    assert set(answers.decision_ids) <= set(logged)
    shown = act("omar", "decisions", answers.decision_ids[0], "-o", "json")
    assert "late" in shown
    assert endpoint in act("omar", "decisions", "--endpoint", endpoint)
    act(
        "omar", "deploy", endpoint, releases[1], "--role", "shadow", "--share", "0", "--arm", "next", "--reason", "to be replayed"
    )
    replayed = json.loads(act("omar", "replay", endpoint, "--version", f"{project.model}:2", "-o", "json"))
    assert replayed["answered"] == replayed["total"] == len(logged)
    shadows = json.loads(
        act("omar", "decisions", "--endpoint", endpoint, "--arm", replayed["arm"], "--role", "shadow", "-o", "json")
    )
    assert {row["shadow_of"] for row in shadows} == set(logged)
    refused = run("replay", endpoint, "--version", f"{project.model}:9")
    assert refused.code == 1
    act("omar", "doctor")
    act("rita", "audit", "verify")
