"""HTTP/1.1 for the data plane: connections on the event loop, worker processes that share a port.

Requests come into the loop without a thread between: what is there in one turn of it is answered together. Parsing is llhttp's
(`httptools`), sockets are libuv's (`uvloop`); what is here is the order of things: heads before bodies, one answer after
another, times and sizes that callers may take, and the end.
"""

from modelyard.runtime.http.exchange import Application, BodyBroken, CallerGone, Exchange, Headers, Stream, head
from modelyard.runtime.http.server import Server

__all__ = ["Application", "BodyBroken", "CallerGone", "Exchange", "Headers", "Server", "Stream", "head"]
