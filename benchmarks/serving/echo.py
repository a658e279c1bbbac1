"""The server's own speed: the same server as the runtime, answering each request with its body and doing nothing else.

    python benchmarks/serving/echo.py 8099

What the runtime reaches is told as a ratio to this, measured in one run on one machine.
"""

from __future__ import annotations

import sys
from typing import Any

HEADERS = [("content-type", "application/json")]


async def app(scope: Any, proto: Any) -> None:
    """Read the body, send it back."""
    proto.response_bytes(200, HEADERS, await proto())


def main(port: int) -> None:
    """Serve with one worker until told to stop."""
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    server = Granian(
        "echo",
        port=port,
        interface=Interfaces.RSGI,
        workers=1,
        loop=Loops.uvloop,
        websockets=False,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=lambda: app, wrap_loader=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
