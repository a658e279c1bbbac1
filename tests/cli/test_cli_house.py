"""Logging in, tokens, keys, policies, doctor, backup; servers that do not answer and tokens that are not known."""

from __future__ import annotations

import json
import os
import pty
import socket
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from cli_yard import People, Run, Served

from modelyard.bootstrap import Settings, build, first_start
from modelyard.kinds.contract import Policy
from modelyard.worker.up import House


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_server_is_said_at_once_with_what_to_do(run: Run) -> None:
    said = run("model", "list", "--url", f"http://127.0.0.1:{free_port()}")
    assert said.code == 1
    assert "no server answers" in said.err
    assert "modelyard up" in said.err


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://x", "http://", "http://[::", "http://a b", "javascript:alert(1)", "http://x:99999"]
)
def test_a_bad_address_is_named(run: Run, url: str) -> None:
    said = run("model", "list", "--url", url)
    assert said.code in (1, 2)
    assert "Traceback" not in said.err
    assert said.err.startswith("error: ")


@pytest.mark.parametrize("token", ["myd_0000000000000000_" + "0" * 64, "x", "ü" * 10, "a\nb", "myd_" + "f" * 9000])
def test_a_token_that_is_not_known_is_refused(yard: Run, token: str) -> None:
    said = yard("model", "list", as_=token)
    assert said.code == 1
    assert "token" in said.err
    assert token not in said.err


def test_a_server_that_is_not_ours_is_said_to_be_none(run: Run, tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said = run("model", "list", "--url", f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()
    assert said.code == 1
    assert "Traceback" not in said.err


def test_login_keeps_the_token_for_its_owner_alone_and_for_its_server_alone(run: Run, served: Served, tmp_path: Path) -> None:
    said = run("login", served.url, stdin=served.token + "\n")
    assert said.code == 0, said.err
    assert served.token not in said.out + said.err
    path = tmp_path / "config" / "modelyard" / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    me = run("whoami", "-o", "json")
    assert me.code == 0, me.err
    assert "administrator" in me.json["roles"]
    elsewhere = run("whoami", "--url", served.url.replace("127.0.0.1", "localhost"))
    assert elsewhere.code == 1
    assert "token" in elsewhere.err


def test_login_refuses_what_does_not_work_and_keeps_nothing(run: Run, served: Served, tmp_path: Path) -> None:
    assert run("login", served.url, stdin="").code == 2
    assert run("login", served.url, stdin="myd_wrong\n").code == 1
    assert not (tmp_path / "config" / "modelyard").exists()


def test_the_environment_wins_over_the_login(run: Run, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run("login", served.url, stdin=served.token + "\n")
    monkeypatch.setenv("MODELYARD_TOKEN", "myd_other")
    assert run("whoami").code == 1
    monkeypatch.setenv("MODELYARD_URL", f"http://127.0.0.1:{free_port()}")
    assert "no server answers" in run("whoami").err


def test_an_unreadable_login_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "config" / "modelyard" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("= nonsense")
    said = run("model", "list")
    assert said.code == 2
    assert "config.toml" in said.err


def test_a_token_is_made_here_shown_once_and_works_until_it_is_revoked(yard: Run) -> None:
    name = f"svc-{uuid.uuid4().hex[:6]}"
    assert yard("identity", "create", name, "--kind", "service").code == 0
    assert yard("role", "grant", name, "viewer", "--reason", "reads").code == 0
    issued = yard("token", "issue", name, "--days", "1", "-o", "json")
    assert issued.code == 0, issued.err
    secret = issued.json["token"]
    assert yard("whoami", "-o", "json", as_=secret).json["name"] == name
    listed = yard("token", "list", name, "-o", "json")
    assert secret not in listed.out
    assert yard("role", "list", name, "-o", "json").json[0]["role"] == "viewer"
    assert yard("token", "revoke", issued.json["id"], "--reason", "done").code == 0
    gone = yard("whoami", as_=secret)
    assert gone.code == 1
    assert "revoked" in gone.err
    assert yard("token", "issue", "nobody-of-that-name").code == 1


def test_policies_are_exported_proposed_and_activated_by_another(yard: Run, people: People, tmp_path: Path) -> None:
    shipped = yard("policy", "export")
    assert "permit" in shipped.out
    file = tmp_path / "mine.cedar"
    file.write_text(shipped.out + "\n// ours\n")
    proposed = yard("policy", "propose", str(file), "--reason", "a comment", "-o", "name", as_=people["rita"])
    assert proposed.code == 0, proposed.err
    unasked = yard("policy", "activate", proposed.out.strip(), "--reason", "x", as_=people["rita"])
    assert unasked.code == 2
    assert "+// ours" in unasked.err
    own = yard("policy", "activate", proposed.out.strip(), "--reason", "x", "--yes", as_=people["rita"])
    assert own.code == 1
    file.write_text("permit (nonsense")
    assert yard("policy", "propose", str(file), "--reason", "broken", as_=people["rita"]).code == 1


def test_doctor_says_what_is_wrong_and_what_to_do(yard: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_RUNTIME_URL", f"http://127.0.0.1:{free_port()}")
    said = yard("doctor", "-o", "json")
    found = {row["check"]: row for row in said.json}
    assert said.code == 1
    assert found["server"]["status"] == "ok"
    assert found["database"]["status"] == "ok"
    assert found["token"]["status"] == "ok"
    assert found["versions"]["status"] == "ok"
    assert found["clock"]["status"] in ("ok", "unknown")
    assert found["kinds"]["found"].startswith("ml")
    assert found["runtime"]["status"] == "wrong"
    assert "modelyard up" in found["runtime"]["do"]
    monkeypatch.setenv("MODELYARD_URL", f"http://127.0.0.1:{free_port()}")
    down = run("doctor")
    assert down.code == 1
    assert "no server answers" in down.out
    assert "Traceback" not in down.err


def test_keys_are_listed_rotated_and_exported_without_their_private_halves(yard: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    platform = build(Settings(home=home))
    first_start(platform)
    platform.close()
    listed = yard("keys", "list", "--home", str(home), "-o", "json")
    assert listed.code == 0, listed.err
    assert {p for key in listed.json for p in key["purposes"]} == {"release", "routes", "audit"}
    rotated = yard(
        "keys", "rotate", "routes", "--home", str(home), "--reason", "yearly", "--url", f"http://127.0.0.1:{free_port()}"
    )
    assert rotated.code == 1
    assert "server was not told" in rotated.err
    after = yard("keys", "list", "--home", str(home), "-o", "json").json
    assert len(after) == len(listed.json) + 1
    roots = yard("keys", "export-roots", "--home", str(home))
    assert len(json.loads(roots.out)["roots"]) == len(after)
    assert "PRIVATE" not in roots.out
    assert yard("keys", "rotate", "nonsense", "--home", str(home), "--reason", "x").code == 2
    assert yard("keys", "list", "--home", str(tmp_path / "nowhere")).code == 2


def test_a_backup_is_restored_elsewhere(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    platform = build(Settings(home=home))
    first_start(platform)
    platform.close()
    made = run("backup", str(tmp_path / "monday.tar"), "--home", str(home), "-o", "json")
    assert made.code == 0, made.err
    assert run("restore", str(tmp_path / "monday.tar"), "--home", str(tmp_path / "other")).code == 2
    back = run("restore", str(tmp_path / "monday.tar"), "--home", str(tmp_path / "other"), "--yes", "-o", "json")
    assert back.code == 0, back.err
    assert back.json["digest"] == made.json["digest"]
    assert run("backup", str(tmp_path / "monday.tar"), "--home", str(home)).code == 1
    assert run("backup", str(tmp_path / "x.tar"), "--home", str(tmp_path / "nowhere")).code == 2


def test_outcomes_of_unknown_decisions_are_kept_and_mistakes_named_by_line(yard: Run, people: People, tmp_path: Path) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text("decision,late,event_time\nd-1,true,2026-01-01T00:00:00Z\nd-2,false,2026-01-01T00:00:00Z\n")
    said = yard("outcomes", "post", str(file), "-o", "json", as_=people["omar"])
    assert said.code == 0, said.err
    assert said.json["unknown_count"] == 2
    lines = '{"decision": "d-3", "values": {"late": true}}\n{"decision": "d-4"}\n'
    bad = yard("outcomes", "post", "-", stdin=lines, as_=people["omar"])
    assert bad.code == 2
    assert "stdin:2" in bad.err
    assert yard("outcomes", "post", str(tmp_path / "none.csv")).code == 2


def test_the_decision_log_of_a_new_house_is_empty_and_says_so(yard: Run) -> None:
    said = yard("decisions", "--endpoint", "there-is-none")
    assert said.code == 0, said.err
    assert "no decisions" in said.err
    assert yard("decisions", "there-is-none").code == 1


def test_colours_and_questions_only_on_a_terminal(served: Served, people: People) -> None:
    name = f"tty-{uuid.uuid4().hex[:6]}"
    environment = os.environ | {"MODELYARD_URL": served.url, "MODELYARD_TOKEN": people["dana"], "TERM": "xterm"}

    def on_terminal(*words: str, typed: str = "", more: dict[str, str] | None = None) -> tuple[int, str]:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "modelyard.cli", *words],
            stdin=slave, stdout=slave, stderr=slave, env=environment | (more or {}),
        )  # fmt: skip
        os.close(slave)
        os.write(master, typed.encode())
        seen = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        os.close(master)
        return process.wait(timeout=30), seen.decode()

    assert on_terminal("use-case", "register", name)[0] == 0
    code, seen = on_terminal("use-case", "list", "--limit", "1")
    assert code == 0
    assert "\x1b[1m" in seen
    assert "\x1b[" not in on_terminal("use-case", "list", "--limit", "1", more={"NO_COLOR": "1"})[1]
    code, seen = on_terminal("use-case", "update", name, "--title", "No", typed="n\n")
    assert code == 2
    assert "[y/N]" in seen
    assert on_terminal("use-case", "update", name, "--title", "Yes", typed="y\n")[0] == 0


@pytest.mark.slow
def test_a_house_that_trusts_more_types_tells_its_runtime(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=free_port(), runtime_port=free_port(), trusted_types=("house.Model",))
    with House(settings) as house:
        assert house.ended() is None
        told = Policy.model_validate_json((settings.home / "policy.json").read_bytes())
    assert (told.allow_pickle, told.trusted_types) == (False, ("house.Model",))
