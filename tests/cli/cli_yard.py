"""A real server in a process of its own, and the command line spoken to it."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.bootstrap import Settings, build, first_start
from modelyard.cli import main
from modelyard.client.http import Connection


@dataclass(frozen=True)
class Served:
    """Where the server is, its folder, and the first administrator's token."""

    url: str
    home: Path
    token: str


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("yard")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    platform = build(Settings(home=home, port=port))
    token = first_start(platform)
    platform.close()
    assert token is not None
    environment = os.environ | {"MODELYARD_HOME": str(home), "MODELYARD_PORT": str(port)}
    with (home / "api.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "modelyard.api"], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        with Connection(url, attempts=9) as http:
            http.request("GET", "//health/ready")
        yield Served(url, home, token)
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs one command in this process, without a terminal, with a configuration of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("MODELYARD_URL", "MODELYARD_TOKEN", "MODELYARD_RUNTIME_URL", "MODELYARD_HOME"):
        monkeypatch.delenv(name, raising=False)

    def command(*words: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return command


@pytest.fixture
def yard(run: Run, served: Served, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run`, spoken to the server as its administrator; `as_=token` speaks for somebody else."""

    def command(*words: str, as_: str = served.token, stdin: str = "") -> Said:
        monkeypatch.setenv("MODELYARD_URL", served.url)
        monkeypatch.setenv("MODELYARD_TOKEN", as_)
        return run(*words, stdin=stdin)

    return command


People = dict[str, str]
ROLES = {
    "dana": "developer",
    "bo": "business_owner",
    "omar": "operator",
    "val": "validator",
    "rita": "risk_officer",
    "ruth": "risk_officer",
}


@pytest.fixture(scope="session")
def people(served: Served) -> People:
    """A token for one person of each role, by name; made by commands of the client."""
    from datetime import UTC, datetime, timedelta

    from modelyard.governance.identity.secrets import mint

    tokens = {}
    with Connection(served.url, served.token) as http:
        for name, role in ROLES.items():
            person = http.change("governance.create_identity", {"name": name, "display_name": name.title()})
            http.change("governance.grant_role", {"identity": person["id"], "role": role}, reason="for the tests")
            minted = mint()
            fields = {"identity": person["id"], "name": "t", "key": minted.key, "secret_digest": minted.digest}
            expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
            http.change("governance.issue_token", fields | {"expires_at": expires})
            tokens[name] = minted.text
    return tokens


MODEL = """\
apiVersion: modelyard/v1
use_case: {{name: {use_case}, tier: high, business_owner: bo}}
model: {{name: {model}, kind: ml}}
version:
  artifact: model.onnx
  sample: sample.csv
  notes: {notes}
  metrics: {{auc: {{value: 0.8}}}}
  data:
    - {{name: january, purpose: train, path: sample.csv, licence: CC0-1.0}}
"""


def onnx_model(path: Path, weight: float) -> None:
    """A logistic score of two columns."""
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")]
    output = helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [weight, -0.5])
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["x"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["score"]),
    ]
    graph = helper.make_graph(nodes, "logistic", inputs, [output], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


class Project:
    """A folder with a model as code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.use_case, self.model = (f"{word}-{uuid.uuid4().hex[:8]}" for word in ("hold", "delay"))

    def write(self, weight: float, notes: str) -> str:
        onnx_model(self.folder / "model.onnx", weight)
        (self.folder / "sample.csv").write_text("a,b\n" + "".join(f"{i / 10},{i % 3}.5\n" for i in range(50)))
        text = MODEL.format(use_case=self.use_case, model=self.model, notes=notes)
        (self.folder / "modelyard.yaml").write_text(text)
        return str(self.folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)
