"""Answers piece by piece: as server-sent events, logged before they end, stopped when nobody listens."""

from __future__ import annotations

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from echo_kind import PACE, Echo
from forms_stage import TALK, Served

from modelyard.core.errors import TimedOut
from modelyard.decisions import DecisionReader, Window
from modelyard.runtime import streaming
from modelyard.runtime.engine import ModelServer
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.streaming import Listener

EVENTS = {"accept": "text/event-stream"}
STREAM = "/v2/models/talk/generate_stream"


def events(text: str) -> list[tuple[str, Any]]:
    """Name and data of each event."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


@pytest.mark.parametrize(
    ("path", "headers"), [(STREAM, {}), ("/v2/models/talk/versions/1/generate_stream", {}), ("/decide/talk", EVENTS)]
)
def test_pieces_come_as_events_and_the_last_is_the_logged_decision(served: Served, path: str, headers: dict[str, str]) -> None:
    response = served.client.post(path, json={"inputs": {"text": "one two\nthree"}, "subject": "s", "id": "r"}, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *pieces, (last, decision) = events(response.text)
    assert pieces == [
        ("message", {"outputs": {"text_out": f"{word} ", "words_out": n}}) for n, word in enumerate(("one", "two", "three"), 1)
    ]
    assert last == "decision"
    assert decision["outputs"] == {"text_out": "one two three ", "words_out": 3}
    assert (decision["arm"], decision["role"], decision["version"], decision["id"]) == ("echo", "champion", "1", "r")
    logged = served.decision(decision["decision_id"])
    assert json.loads(logged["output"]) == decision["outputs"]
    assert (logged["reason"], logged["subject"] is not None) == (None, True)


def test_where_nothing_may_go_unlogged_the_answer_comes_in_one_piece_when_the_log_has_it(served: Served) -> None:
    response = served.client.post("/decide/careful", json={"text": "one two"}, headers={"accept": "text/event-stream"})
    (_, piece), (last, decision) = events(response.text)
    assert piece == {"outputs": {"text_out": "one two"}}
    assert last == "decision"
    assert json.loads(served.decision(decision["decision_id"])["output"]) == decision["outputs"]


def test_pieces_come_while_the_model_still_speaks(served: Served, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with served.client.stream("POST", STREAM, json={"text": f"forever {told}"}) as response:
        lines = response.iter_lines()
        assert next(lines) == 'data: {"outputs":{"text_out":"on ","words_out":0}}'
        assert not told.exists()
    served.runtime.until(told.exists, "the model speaks on though nobody listens")
    seen = lambda: [row for row in log(served) if row["reason"] == "the caller left"]  # noqa: E731
    served.runtime.until(lambda: bool(seen()), "what was said is not logged")
    (row,) = seen()
    assert json.loads(row["output"])["text_out"].startswith("on ")


def log(served: Served) -> list[dict[str, Any]]:
    reader = DecisionReader(served.runtime.home / "decisions")
    return [row for row in reader.scan(Window()).to_pylist() if row["endpoint"] == "talk"]


def test_a_caller_who_leaves_before_the_first_word_stops_the_model_too(served: Served, tmp_path: Path) -> None:
    told = tmp_path / "told"
    body = json.dumps({"text": f"forever {told}"}).encode()
    with socket.create_connection(("127.0.0.1", served.runtime.port), timeout=10) as caller:
        caller.sendall(b"POST /decide/talk HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n")
        caller.sendall(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    served.runtime.until(told.exists, "the model speaks on though nobody listens")


def test_a_model_that_breaks_off_is_told_and_what_it_said_is_logged(served: Served) -> None:
    response = served.client.post(STREAM, json={"text": "one fail two"})
    (_, first), (last, problem) = events(response.text)
    assert first["outputs"]["text_out"] == "one "
    assert (last, problem["code"]) == ("error", "broken_off")
    assert "lost its words" in problem["detail"]
    logged = served.decision(problem["decision"]["decision_id"])
    assert json.loads(logged["output"])["text_out"] == "one "
    assert "lost its words" in logged["reason"]


def test_what_is_wrong_before_the_first_piece_is_a_plain_error(served: Served) -> None:
    for body, status, told in (
        ({"text": "fail"}, 503, "lost its words"),
        ({"text": 3}, 400, "'text' is not right"),
        ([{"text": "a"}, {"text": "b"}], 400, "one at a time"),
        ({}, 400, "the record is empty"),
    ):
        response = served.client.post(STREAM, json=body)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), response.text
        assert told in response.json()["detail"]
    assert served.client.post("/v2/models/absent/generate_stream", json={}).status_code == 404
    assert served.client.get(STREAM).status_code == 405


class Wire:
    """The server's side of one answer; the caller stays."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def stream(self, status: int, headers: list[tuple[str, str]]) -> Wire:
        return self

    async def send(self, data: bytes) -> None:
        self.sent.append(data)

    async def caller_left(self) -> None:
        await asyncio.Event().wait()


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too slow with its first piece, another may answer; too slow after it, the answer ends there."""

    async def heard(timeout: float | None) -> tuple[dict[str, list[Any]], Listener]:
        listener = Listener(Wire())
        model = ModelServer(Echo(TALK), InputPlan(TALK), ThreadPoolExecutor(1))
        answer = await listener.over(model, True).answer([[f"forever {tmp_path / 'told'}"]], 1, timeout=timeout)
        return answer.outputs, listener

    with pytest.raises(TimedOut, match=r"longer than 0\.001 s"):
        asyncio.run(heard(0.001))
    monkeypatch.setattr(streaming, "LONGEST", 5 * PACE)
    outputs, listener = asyncio.run(heard(None))
    assert outputs["text_out"][0].startswith("on ")
    assert listener.reasons == ["TimedOut: took longer than 0.1 s"]
    assert (tmp_path / "told").read_text() == "stopped"


def test_a_model_that_does_not_stream_is_heard_in_one_piece(served: Served) -> None:
    response = served.client.post("/v2/models/vector/generate_stream", json={"x": [1, 2, 3]})
    (name, piece), (last, decision) = events(response.text)
    assert (name, last) == ("message", "decision")
    assert piece["outputs"] == decision["outputs"] == {"prediction": 6.5}
    table = pa.table({"x": pa.array([[1.0, 2.0, 3.0]])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    arrow = EVENTS | {"content-type": "application/vnd.apache.arrow.stream"}
    response = served.client.post("/decide/vector", content=sink.getvalue().to_pybytes(), headers=arrow)
    assert events(response.text)[-1][1]["outputs"] == {"prediction": 6.5}, "events hold JSON, whatever was sent"
    response = served.client.post("/decide/fixed", json={"x": 1}, headers=EVENTS)
    assert [name for name, _ in events(response.text)] == ["decision"]
