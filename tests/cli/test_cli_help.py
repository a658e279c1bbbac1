"""The tree of commands: quick to ask for help, honest about itself, documented."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_yard import Run
from cyclopts import App

from modelyard.cli.app import make_app
from modelyard.cli.reference import reference
from modelyard.cli.tree import TREE

HEAVY = (
    "fastapi", "starlette", "granian", "httpx", "httpcore", "sqlalchemy", "alembic", "numpy", "pyarrow", "pandas", "pydantic",
    "pydantic_core", "msgspec", "sklearn", "onnxruntime", "onnx", "lightgbm", "xgboost", "skops", "scipy", "cedarpy",
    "cryptography", "obstore", "structlog", "yaml", "duckdb",
)  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def leaves(app: App, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], App]]:
    """Every command that does something, with its words."""
    found: list[tuple[tuple[str, ...], App]] = []
    for name in app:
        if not name.startswith("-"):
            inner = app[name]
            below = leaves(inner, (*words, name))
            found += below or [((*words, name), inner)]
    return found


@pytest.mark.parametrize(
    "words", [["--help"], [], ["--version"], ["model", "--help"], ["deploy", "--help"], ["doctor", "--help"]]
)
def test_help_loads_no_web_sql_or_ml_library(words: list[str]) -> None:
    program = (
        "import sys, json, io, contextlib\n"
        "from modelyard.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = main({words!r})\n"
        "print(json.dumps([code, sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout)
    assert code == 0
    assert "modelyard" in modules
    assert sorted(set(modules) & set(HEAVY)) == []


def test_root_help_needs_not_even_the_parser() -> None:
    program = "import sys\nfrom modelyard.cli import main\nmain(['--help'])\nassert 'cyclopts' not in sys.modules, 'loaded'"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for _, word, _, sentence in TREE:
        assert word in done.stdout
        assert sentence.split()[0] in done.stdout


def test_the_tree_says_what_each_command_says_of_itself() -> None:
    for _, word, place, sentence in TREE:
        module, _, attribute = place.partition(":")
        found = getattr(importlib.import_module(f"modelyard.cli.{module}"), attribute)
        own = found.help if isinstance(found, App) else (inspect.getdoc(found) or "").split("\n")[0]
        assert own == sentence, word


def test_every_command_has_a_help_text_and_shared_options(run: Run) -> None:
    commands = leaves(make_app())
    assert len(commands) > 60
    for words, app in commands:
        assert app.help, words
        said = run(*words, "--help")
        assert said.code == 0, words
        assert said.out.startswith("Usage: modelyard"), words


def test_commands_that_change_something_take_reason_and_dry_run() -> None:
    for words, app in leaves(make_app()):
        assert app.default_command is not None
        parameters = inspect.signature(app.default_command).parameters
        how = parameters.get("how")
        if words[-1] in ("register", "retire", "promote", "rollback", "deploy", "shares", "stop", "grant", "revoke", "issue"):
            assert how is not None, words
            assert hasattr(how.default, "dry_run"), words
            assert hasattr(how.default, "reason"), words


def test_the_reference_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == reference(), f"run: python -m modelyard.cli.reference {DOCS.name}"


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("model", "lst"),
        ("model", "register"),
        ("model", "show"),
        ("deploy", "hold"),
        ("model", "list", "--no-such-option"),
        ("model", "list", "-o", "xml"),
        ("model", "list", "--limit", "many"),
        ("use-case", "register", "x", "--tier", "enormous"),
        ("model", "list", "--where", "state"),
        ("list", "unicorns"),
        ("search",),
        ("shares", "hold"),
        ("shares", "hold", "v1=lots"),
        ("history", "m", "--at", "yesterday"),
        ("register", "there-is-no-such-file.onnx", "--model", "m"),
        ("show", ""),
        ("token", "issue"),
        ("gate", "define", "there-is-no-such-file.yaml"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words)
    assert said.code == 2, said.err
    assert said.out == ""
    assert said.err.startswith("error: ")


def test_wrong_usage_can_be_read_by_a_program(run: Run) -> None:
    said = run("model", "lst", "-o", "json")
    assert said.code == 2
    assert json.loads(said.err)["code"] == "wrong_usage"
    assert "list" in json.loads(said.err)["detail"]


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    done = subprocess.run(
        f"{sys.executable} -m modelyard.cli model --help | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("Usage")
    assert "Traceback" not in done.stderr
