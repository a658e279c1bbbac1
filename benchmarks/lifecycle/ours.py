"""`modelyard.bpmn`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from benchmarks.lifecycle.side import Side
from benchmarks.peers import serve
from modelyard.bpmn.engine import CompiledProcess, compile_process, step
from modelyard.bpmn.protocol import Started, WorkCompleted
from modelyard.bpmn.reading import read
from modelyard.bpmn.state import State, dumps, loads

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Ours(Side):
    def compile(self, source: str, case: str) -> CompiledProcess:
        return compile_process(read(source.encode()))

    def start(self, process: CompiledProcess, data: dict[str, Any] | None = None) -> State:
        return step(process, None, Started(at=AT, data=data or {}))[0]

    def waiting(self, instance: State) -> list[str]:
        return sorted(wait.element for wait in instance.waits.values())

    def complete(self, process: CompiledProcess, instance: State, task: str, result: dict[str, Any]) -> State:
        work = next(wait.id for wait in instance.waits.values() if wait.element == task)
        return step(process, instance, WorkCompleted(at=AT, work=work, result=result))[0]

    def ended(self, instance: State) -> bool:
        return instance.status == "completed"

    def save(self, instance: State) -> str:
        return dumps(instance)

    def load(self, process: CompiledProcess, text: str) -> State:
        return loads(text, process.digest)


if __name__ == "__main__":
    serve(Ours())
