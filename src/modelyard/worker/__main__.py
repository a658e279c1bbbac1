"""`python -m modelyard.worker`: run every duty until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import sys

from modelyard.bootstrap import Settings, build
from modelyard.core.logs import configure_logs
from modelyard.worker.duties import loops
from modelyard.worker.loops import Running


def main() -> int:
    """Settings come from the environment; see `modelyard.bootstrap.Settings`."""
    configure_logs()
    platform = build(Settings.from_environment())
    running = Running(loops(platform))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.ask_to_stop())
    running.start()
    running.wait()
    running.stop()
    platform.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
