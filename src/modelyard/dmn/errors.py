"""The errors of the engine. Each names the file, the element (its id, else its name) and the line, where they are known.

    DmnError
    ├── InvalidModel       the file is malformed, hostile, of another format, or does not fit together
    ├── FeelSyntaxError    an expression that is not FEEL, with the place in the expression
    ├── InvalidData        what a caller gave to an evaluation is not a value, or names nothing
    └── LimitExceeded      an evaluation or a file went beyond a limit

What goes wrong inside an evaluation is no exception: by the specification it gives null, and a `Message` keeps the reason.
"""

from __future__ import annotations


class DmnError(ValueError):
    """`detail` is a sentence; the others say where."""

    def __init__(self, detail: str, *, file: str | None = None, element: str | None = None, line: int | None = None) -> None:
        super().__init__(detail)
        self.detail, self.file, self.element, self.line = detail, file, element, line

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.file,
                f"line {self.line}" if self.line else None,
                f"element {self.element!r}" if self.element else None,
            )
            if part
        )
        return f"{place}: {self.detail}" if place else self.detail


class InvalidModel(DmnError):
    """The model cannot be used. `problems` has every finding when there are several; `detail` tells the first."""

    problems: tuple[DmnError, ...] = ()


class FeelSyntaxError(DmnError):
    """An expression that cannot be parsed. `at` is the offset in `text`, counted in characters from zero."""

    def __init__(self, detail: str, *, text: str, at: int) -> None:
        super().__init__(detail)
        self.text, self.at = text, at

    def __str__(self) -> str:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - (self.text.rfind("\n", 0, self.at) + 1) + 1
        shown = self.text[max(0, self.at - 20) : self.at] + "▸" + self.text[self.at : self.at + 20]
        return f"{self.detail} (line {line}, column {column} of the expression, at {shown!r})"


class InvalidData(DmnError):
    """A caller's value or name is not usable."""


class LimitExceeded(DmnError):
    """A limit of `modelyard.dmn.Limits` was reached; the evaluation or the loading was given up."""
