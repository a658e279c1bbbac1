"""What a process says about a person's task, checked when it is proposed: what nobody could ever do is not published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from modelyard.bpmn.model import Task
from modelyard.core.errors import InvalidInput
from modelyard.governance.identity.model import Role
from modelyard.governance.policy.cedar import READ, known_actions
from modelyard.lifecycle.tasks.opening import later, priority_of, quorum_of
from modelyard.lifecycle.values import texts

ROLES = frozenset(role.value for role in Role)
DURATIONS = ("dueIn", "remindIn", "expiresIn")
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def check_task(task: Task, forms: Mapping[str, Any]) -> None:
    """Raises InvalidInput that names the task, its line and what is wrong."""
    said = task.extensions
    where = f"user task {task.id!r} (line {task.line})"
    form = said.get("form")
    if form and form not in forms:
        raise InvalidInput(
            f"{where} asks for the form {form!r}, which is not given", field="forms", hint=f"give a JSON Schema named {form!r}"
        )
    for name in DURATIONS:
        try:
            later(_ANY_TIME, said.get(name))
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {name}: {error.detail}", field="source", hint=error.hint) from error
    for name in ("role", "escalateTo"):
        unknown = [role for role in texts(said.get(name)) if role not in ROLES]
        if unknown:
            raise InvalidInput(
                f"{where}: {name}: there is no role {', '.join(unknown)}",
                field="source",
                hint=f"one of {', '.join(sorted(ROLES))}",
            )
    _check_numbers(task, where)
    _check_command(task, where)


def _check_command(task: Task, where: str) -> None:
    command = task.operation
    if command is None:
        return
    if command not in known_actions() or command == READ:
        raise InvalidInput(
            f"{where}: there is no command {command!r}", field="source", hint="see the API reference for their names"
        )


def _check_numbers(task: Task, where: str) -> None:
    try:
        priority_of(task.extensions.get("priority"))
        rule, count, _ = quorum_of(task.extensions.get("quorum"), ())
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.detail}", field="source", hint=error.hint) from error
    if task.operation is not None and (rule == "all" or count > 1):
        raise InvalidInput(
            f"{where}: a command is given once, by one person; it does not go with quorum={rule!r}",
            field="source",
            hint="let several people decide first, and give the command in a step after it",
        )
