"""How programs log: one line an event on stderr, plain tracebacks.

structlog's own default draws tracebacks with the values of all local variables when `rich` is installed: tokens and personal
data would go to the log, and drawing one took ten seconds.
"""

from __future__ import annotations

import sys


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
