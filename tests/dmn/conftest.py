"""At the end of a run: the share of the DMN TCK that passed."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The report of a test carries its properties, also from another process of pytest-xdist."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, text in getattr(report, "user_properties", ()):
                if name == "dmn_tck":
                    terminalreporter.write_line(f"DMN TCK: {text}")
