"""What can be done about tasks. Policies ask who may at every one of them, not only at the first."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from modelyard.core.messages import Command
from modelyard.lifecycle.model import Digest
from modelyard.lifecycle.tasks.model import DueCondition, TaskVerdict

Id = Annotated[str, Field(min_length=1, max_length=200)]


class ClaimTask(Command):
    """Take a task: nobody else can complete it until it is released or delegated."""

    action: ClassVar[str] = "lifecycle.claim_task"

    task: Id


class ReleaseTask(Command):
    """Put a claimed task back for the others."""

    action: ClassVar[str] = "lifecycle.release_task"

    task: Id


class DelegateTask(Command):
    """Hand a task to somebody else who may do it; `to` is an identity's name or id."""

    action: ClassVar[str] = "lifecycle.delegate_task"

    task: Id
    to: Id


class CompleteTask(Command):
    """Do a task. `data` is what its form asks for. `verdict` and `comments` are one's decision, kept as an approval record; a
    task with an operation gives that command in one's own name."""

    action: ClassVar[str] = "lifecycle.complete_task"

    task: Id
    data: dict[str, Any] = {}
    verdict: TaskVerdict = "done"
    comments: str = Field(default="", max_length=4000)
    conditions: tuple[DueCondition, ...] = Field(default=(), max_length=50)
    ticket: str = Field(default="", max_length=200)


class CommentTask(Command):
    """Say something at a task."""

    action: ClassVar[str] = "lifecycle.comment_task"

    task: Id
    text: str = Field(min_length=1, max_length=10_000)


class AttachToTask(Command):
    """Attach a document that was uploaded before. At a task about a version it becomes evidence about it."""

    action: ClassVar[str] = "lifecycle.attach_to_task"

    task: Id
    document: Digest
    filename: str = Field(min_length=1, max_length=255)
    summary: str = Field(default="", max_length=4000)


class TendTask(Command):
    """Remind, escalate or end a task whose time has come. Given by the platform's loops."""

    action: ClassVar[str] = "lifecycle.tend_task"

    task: Id
