"""The server's own speed: a server that answers each request with its body and does nothing else.

    python benchmarks/serving/echo.py 8099            the runtime's own door
    python benchmarks/serving/echo.py 8099 granian    a well-known server of its kind, which the runtime stood on before

What the runtime reaches is told as a ratio to these, measured in one run on one machine.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

HEADERS = [("content-type", "application/json")]


class Echo:
    """Reads the body, sends it back."""

    def __init__(self) -> None:
        from modelyard.runtime.http import head

        self._head = head(200, tuple(HEADERS))

    def takes_whole(self, exchange: Any) -> bool:
        return True

    def take(self, exchange: Any) -> None:
        exchange.reply(self._head, exchange.body)

    def give_up(self, exchange: Any, late: bool) -> None:
        """Nobody is told."""

    async def __call__(self, exchange: Any) -> None:
        exchange.reply(self._head, await exchange.whole())


async def door(port: int) -> None:
    """Serve until told to stop."""
    from modelyard.runtime.http import Server

    await Server(Echo()).listen(socket.create_server(("127.0.0.1", port)))
    await asyncio.Event().wait()


async def app(scope: Any, proto: Any) -> None:
    """As `Echo`, for granian."""
    proto.response_bytes(200, HEADERS, await proto())


def granian(port: int) -> None:
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
    if sys.argv[2:] == ["granian"]:
        granian(int(sys.argv[1]))
    else:
        import uvloop

        uvloop.run(door(int(sys.argv[1])))
