"""Room for functions that call each other deeply.

Python's limit of nested calls is one of the interpreter, which a library has no business to change, and the caller may have used
up much of it. It counts for each thread alone, though: so an evaluation that goes deep goes on in a further thread while this one
waits for it. How deep functions may go is then the matter of `Limits.recursion`, as it should be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.feel.scope import Code, Env
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Run

_SHALLOW = 2
"""Calls nested so little are not looked at."""


def roomy(run: Run, body: Code, env: Env) -> Value:
    """`body(env)`, on a stack that has room. Called within `run.enter()` and `run.leave()`."""
    if run.limits.recursion - run.depth <= _SHALLOW or not _is_half_full():
        return body(env)
    return _apart(lambda: body(env), run)


def _is_half_full() -> bool:
    try:
        sys._getframe(sys.getrecursionlimit() // 2)
    except ValueError:
        return False
    return True


def _apart(work: Callable[[], Value], run: Run) -> Value:
    """What the work gives, or raises, in a thread of its own."""
    given: list[Value] = []
    raised: list[BaseException] = []

    def working() -> None:
        try:
            given.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            raised.append(error)

    thread = Thread(target=copy_context().run, args=(working,), name="dmn-deep", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise LimitExceeded("there is no room for functions to call each other so deep", element=run.element) from error
    thread.join()
    if raised:
        raise raised[0]
    return given[0]
