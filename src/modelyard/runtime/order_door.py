"""`/orders` of a runtime: what an operator asks for while the control plane is away. The signature alone lets in."""

from __future__ import annotations

import asyncio

from modelyard.core.errors import ModelyardError, TooLarge
from modelyard.runtime import protocol
from modelyard.runtime.errors import BodyLate, BodyWrong, MethodNotAllowed, body_wrong
from modelyard.runtime.http import BodyBroken, Exchange
from modelyard.runtime.orders import OrderDesk
from modelyard.trust.orders import GREATEST_ORDER

PATH = "/orders"
_JSON = [("content-type", "application/json")]
_CLOSING = [*_JSON, ("connection", "close")]


class OrderDoor:
    """GET tells what there is; POST takes an order in, and answers when it is in force in this process."""

    def __init__(self, desk: OrderDesk, body_seconds: float = 10.0) -> None:
        self._desk, self._body_seconds = desk, body_seconds

    async def __call__(self, exchange: Exchange) -> None:
        """One request."""
        headers = _JSON
        try:
            if exchange.method == "GET":
                status, body = 200, await asyncio.to_thread(self._desk.present)
            elif exchange.method == "POST":
                status, body = 200, await asyncio.to_thread(self._desk.take, await self._read(exchange))
            else:
                raise MethodNotAllowed(f"{exchange.method} {PATH} is not possible", hint="GET or POST")
        except ModelyardError as error:
            status, body = error.status, {"error": str(error), "code": error.code}
            headers = _CLOSING if isinstance(error, (TooLarge, MethodNotAllowed, BodyLate, BodyWrong)) else _JSON
        exchange.answer(status, headers, protocol.encode(body))

    async def _read(self, exchange: Exchange) -> bytes:
        """The order. Raises TooLarge, BodyWrong, or BodyLate: nobody holds a place here by saying nothing."""
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _body(exchange)
        except TimeoutError as error:
            raise BodyLate(f"the order did not come within {self._body_seconds:g} s") from error
        except BodyBroken as error:
            raise body_wrong(error) from error


async def _body(exchange: Exchange) -> bytes:
    length = exchange.headers.get("content-length")
    if length is not None and length.isdigit() and int(length) > GREATEST_ORDER:
        raise _too_large()
    pieces, total = [], 0
    async for piece in exchange:
        total += len(piece)
        if total > GREATEST_ORDER:
            raise _too_large()
        pieces.append(bytes(piece))
    return b"".join(pieces)


def _too_large() -> TooLarge:
    return TooLarge(f"an order has at most {GREATEST_ORDER} bytes")
