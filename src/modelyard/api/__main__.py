"""`python -m modelyard.api`: serve the control plane until a signal ends it."""

from __future__ import annotations

import sys

from granian import Granian
from granian.constants import Interfaces

from modelyard.bootstrap import Settings


def main() -> int:
    """Settings come from the environment; see `modelyard.bootstrap.Settings`."""
    settings = Settings.from_environment()
    server = Granian(
        "modelyard.api.serve:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        factory=False,
        workers=1,
        log_access=False,
        websockets=False,
    )
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
