"""The errors of the process engine.

BpmnError
├── InvalidProcess     the file is malformed, hostile, or cannot be executed; `problems` has every finding
├── InvalidEvent       an event that does not fit the instance's state: nothing waits for it
├── InvalidState       a saved state that is damaged, of a later format, or of another definition
├── MigrationRefused   a plan that would lose a token or leave one nowhere
└── LimitExceeded      a limit of `modelyard.bpmn.Limits` was reached
"""

from __future__ import annotations


class BpmnError(ValueError):
    """`detail` is a sentence; `element` the id of the element, `line` where it stands in the file."""

    def __init__(self, detail: str, *, file: str | None = None, element: str | None = None, line: int | None = None) -> None:
        super().__init__(detail)
        self.detail, self.file, self.element, self.line = detail, file, element, line

    def __str__(self) -> str:
        parts = (self.file, f"line {self.line}" if self.line else None, f"element {self.element!r}" if self.element else None)
        place = ", ".join(part for part in parts if part)
        return f"{place}: {self.detail}" if place else self.detail


class InvalidProcess(BpmnError):
    problems: tuple[BpmnError, ...] = ()


class InvalidEvent(BpmnError):
    pass


class InvalidState(BpmnError):
    pass


class MigrationRefused(BpmnError):
    problems: tuple[BpmnError, ...] = ()


class LimitExceeded(BpmnError):
    pass
