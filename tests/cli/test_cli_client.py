"""The typed client against a real server: commands out, records back, errors of the house."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_yard import People, Served

from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.catalog.model import MODELS, NUMBERING, USE_CASES, Model, UseCase
from modelyard.client import Client
from modelyard.core.errors import AlreadyExists, IdempotencyMismatch, InvalidInput, NotFound, Unauthenticated


@pytest.fixture
def client(served: Served, people: People):
    with Client(served.url, people["dana"]) as made:
        yield made


def test_commands_go_out_and_records_come_back(client: Client) -> None:
    name = f"hold-{uuid.uuid4().hex[:8]}"
    made = client.do(RegisterUseCase(name=name, title="Hold?"), UseCase, reason="typed")
    assert isinstance(made, UseCase)
    assert client.get(USE_CASES, name) == made
    assert client.get(USE_CASES, made.id) == made
    model = client.do(RegisterModel(name=f"{name}-m", use_case=name, kind="ml"), Model)
    assert [m.id for m in client.find(MODELS, where={"use_case": name})] == [model.id]
    assert client.do(RegisterModel(name=f"{name}-n", use_case=name, kind="ml"), dry_run=True)["name"] == f"{name}-n"
    with pytest.raises(NotFound):
        client.get(MODELS, f"{name}-n")


def test_a_key_is_good_for_one_request(client: Client) -> None:
    name, key = f"hold-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    first = client.do(RegisterUseCase(name=name), UseCase, key=key)
    assert client.do(RegisterUseCase(name=name), UseCase, key=key) == first
    with pytest.raises(IdempotencyMismatch):
        client.do(RegisterUseCase(name=f"{name}-x"), UseCase, key=key)
    with pytest.raises(AlreadyExists):
        client.do(RegisterUseCase(name=name), UseCase)


def test_all_pages_are_walked(client: Client) -> None:
    use_case = f"many-{uuid.uuid4().hex[:8]}"
    client.do(RegisterUseCase(name=use_case))
    names = {client.do(RegisterModel(name=f"{use_case}-{i}", use_case=use_case, kind="ml"), Model).name for i in range(12)}
    pages = client.http.get("/models", use_case=use_case, limit=5)
    assert pages["next"]
    assert {m.name for m in client.find(MODELS, where={"use_case": use_case})} == names
    assert len(list(client.find(MODELS, where={"use_case": use_case}, limit=7))) == 7


def test_blobs_go_and_come_back(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"model" * 1000)
    sent = client.upload(path)
    assert sent.size == 5000
    with pytest.raises(NotFound):
        client.download("sha256:" + "0" * 64, tmp_path / "none")


def test_outcomes_are_posted_once_however_often_they_are_sent(client: Client) -> None:
    outcomes = [
        {"decision": f"d-{uuid.uuid4().hex}", "values": {"late": True}, "event_time": datetime(2026, 1, 1, tzinfo=UTC)}
        for _ in range(3)
    ]
    first = client.post_outcomes("test", outcomes)
    assert len(first.unknown) == 3
    again = client.post_outcomes("test", outcomes)
    assert again.repeated == 3
    assert again.accepted == 0


def test_who_am_i_and_what_cannot_be_read(client: Client, served: Served) -> None:
    assert client.me().roles == ("developer",)
    with pytest.raises(InvalidInput, match="cannot be read over HTTP"):
        list(client.find(NUMBERING))
    with Client(served.url, "myd_wrong") as stranger, pytest.raises(Unauthenticated):
        stranger.me()
