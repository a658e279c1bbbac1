"""How programs log: one line an event on stderr, plain tracebacks.

structlog's own default draws tracebacks with the values of all local variables when `rich` is installed: tokens and personal
data would go to the log, and drawing one took ten seconds.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO, cast


class _Stderr:
    """stderr as far as it takes lines. On a full disk, or when whoever read them is gone, they are lost: there is nowhere to say
    so, and what they tell of goes on."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def configure_logs() -> None:
    """Called once by each program that has a log. Idempotent."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,
    )
