"""A small life cycle that needs no worker, put in force by two people."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_yard import People, Run, Served

PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:modelyard="https://modelyard.dev/bpmn/1.0"
             targetNamespace="https://example.org">
  <message id="read" name="KEY-read" modelyard:correlation="owner"/>
  <process id="KEY" name="A note" isExecutable="true">
    <startEvent id="asked"/>
    <userTask id="review" name="Review the note" modelyard:role="validator" modelyard:form="review" modelyard:dueIn="P2D">
      <extensionElements>
        <modelyard:input target="amount" expression="amount"/>
        <modelyard:output target="verdict" expression="verdict"/>
        <modelyard:output target="hours" expression="hours"/>
      </extensionElements>
    </userTask>
    <exclusiveGateway id="fit" default="no"/>
    <receiveTask id="told" name="Its owner reads it" messageRef="read"/>
    <scriptTask id="sum" name="Sum up" modelyard:result="total"><script>amount * factor</script></scriptTask>
    <endEvent id="kept"/>
    <endEvent id="dropped"/>
    <sequenceFlow id="f1" sourceRef="asked" targetRef="review"/>
    <sequenceFlow id="f2" sourceRef="review" targetRef="fit"/>
    <sequenceFlow id="yes" sourceRef="fit" targetRef="told">
      <conditionExpression>verdict != "rejected"</conditionExpression>
    </sequenceFlow>
    <sequenceFlow id="no" sourceRef="fit" targetRef="dropped"/>
    <sequenceFlow id="f3" sourceRef="told" targetRef="sum"/>
    <sequenceFlow id="f4" sourceRef="sum" targetRef="kept"/>
  </process>
</definitions>
"""
FORMS = """
review:
  type: object
  required: [findings]
  properties:
    findings: {type: string, title: What was found, minLength: 3}
    severity: {type: string, enum: [none, low, high], default: none}
    hours: {type: number, minimum: 0, maximum: 100, default: 0}
    again: {type: boolean}
    tags: {type: array, items: {type: string}}
"""


@dataclass(frozen=True)
class Notes:
    """A life cycle in force: its id, and its file."""

    key: str
    file: Path

    def edited(self, before: str, after: str) -> Path:
        text = self.file.read_text(encoding="utf-8")
        assert before in text
        self.file.write_text(text.replace(before, after), encoding="utf-8")
        return self.file


def started(yard: Run, people: People, notes: Notes, *more: str) -> tuple[str, str]:
    """A new instance, and the task that it waits for."""
    said = yard("lifecycle", "start", notes.key, "--data", "amount=3", *more, "-o", "name", as_=people["dana"])
    assert said.code == 0, said.err
    instance = said.out.strip()
    listed = yard("task", "list", "--instance", instance, "-o", "name")
    return instance, listed.out.strip()


@pytest.fixture
def notes(yard: Run, people: People, tmp_path: Path) -> Notes:
    key = f"note-{uuid.uuid4().hex[:8]}"
    (file := tmp_path / f"{key}.bpmn").write_text(PROCESS.replace("KEY", key), encoding="utf-8")
    (tmp_path / f"{key}.forms.yaml").write_text(FORMS, encoding="utf-8")
    proposed = yard("lifecycle", "publish", str(file), as_=people["dana"])
    assert proposed.code == 8, proposed.err
    in_force = yard("lifecycle", "publish", "--definition", f"{key}@1", as_=people["rita"])
    assert in_force.code == 0, in_force.err
    return Notes(key, file)


def on_terminal(served: Served, token: str, *words: str, typed: str = "") -> tuple[int, str]:
    """A command with a person at it: how it ended, and what was on the screen."""
    master, slave = pty.openpty()
    environment = os.environ | {"MODELYARD_URL": served.url, "MODELYARD_TOKEN": token, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "modelyard.cli", *words]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    os.write(master, typed.encode())
    seen = b""
    try:
        while part := os.read(master, 65536):
            seen += part
    except OSError:
        pass  # Linux tells the end of a terminal as an error
    os.close(master)
    return process.wait(timeout=30), seen.decode()
