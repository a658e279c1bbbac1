"""`SpiffWorkflow`, as its documentation shows it: engine steps, manual tasks, the JSON serializer."""

from __future__ import annotations

import json
from typing import Any

from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.parser.TaskParser import TaskParser
from SpiffWorkflow.bpmn.parser.util import full_tag
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.specs.defaults import ManualTask
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

from benchmarks.lifecycle.side import Side
from benchmarks.peers import serve


class Parser(BpmnParser):  # type: ignore[misc]
    """Service tasks wait for who does them, as manual ones do: the parser without extensions knows none."""

    OVERRIDE_PARSER_CLASSES = {full_tag("serviceTask"): (TaskParser, ManualTask)}


class Spiff(Side):
    def __init__(self) -> None:
        super().__init__()
        self._serializer = BpmnWorkflowSerializer(BpmnWorkflowSerializer.configure())

    def compile(self, source: str, case: str) -> Any:
        parser = Parser()
        parser.add_bpmn_str(source.encode())
        return parser.get_spec(case)

    def start(self, process: Any, data: dict[str, Any] | None = None) -> Any:
        workflow = BpmnWorkflow(process)
        workflow.get_next_task(state=TaskState.READY).data.update(data or {})
        workflow.do_engine_steps()
        return workflow

    def waiting(self, instance: Any) -> list[str]:
        return sorted(task.task_spec.name for task in instance.get_tasks(state=TaskState.READY, manual=True))

    def complete(self, process: Any, instance: Any, task: str, result: dict[str, Any]) -> Any:
        found = next(each for each in instance.get_tasks(state=TaskState.READY, manual=True) if each.task_spec.name == task)
        found.data.update(result)
        found.run()
        instance.do_engine_steps()
        return instance

    def ended(self, instance: Any) -> bool:
        return any(task.task_spec.name == "end" for task in instance.get_tasks(state=TaskState.COMPLETED))

    def save(self, instance: Any) -> str:
        return str(self._serializer.serialize_json(instance))

    def load(self, process: Any, text: str) -> Any:
        return self._serializer.deserialize_json(text)

    def bare(self, text: str) -> int:
        saved = json.loads(text)
        return len(
            json.dumps({name: value for name, value in saved.items() if name not in ("spec", "subprocess_specs")}).encode()
        )


if __name__ == "__main__":
    serve(Spiff())
