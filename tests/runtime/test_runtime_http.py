"""The door itself: a real server on a real loop, asked by real sockets, and its connections fed byte by byte."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.runtime.http import BodyBroken, CallerGone, Exchange, Server, head
from modelyard.runtime.http.connection import Connection
from tests.conftest import examples

_HEAD = head(200, (("content-type", "text/plain"),))
_PIECE = b"x" * (1 << 20)


class App:
    """Says what came: `/whole…` when all of it is there, other paths as a task of their own."""

    def __init__(self) -> None:
        self.given_up: list[bool] = []
        self.sent = self.large = 0
        self.gone = threading.Event()
        self.held: asyncio.Event | None = None
        self.waiting = threading.Event()

    def takes_whole(self, exchange: Exchange) -> bool:
        if exchange.path == "/broken/head":
            raise RuntimeError("on purpose")
        return exchange.path.startswith("/whole")

    def take(self, exchange: Exchange) -> None:
        exchange.reply(_HEAD, self._said(exchange, exchange.body))

    def give_up(self, exchange: Exchange, late: bool) -> None:
        self.given_up.append(late)
        if late:
            exchange.answer(408, [], b"late")

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.path == "/early":
            exchange.answer(413, [], b"too large")
        elif exchange.path == "/broken":
            raise RuntimeError("on purpose")
        elif exchange.path == "/silent":
            return
        elif exchange.path == "/held":
            self.held = asyncio.Event()
            self.waiting.set()
            await self.held.wait()
            exchange.answer(200, [], b"at last")
        elif exchange.path == "/large":
            self.large += 1
            exchange.answer(200, [], _PIECE)
        elif exchange.path == "/flood":
            await self._flood(exchange)
        elif exchange.path == "/told":
            try:
                await exchange.whole()
            except BodyBroken as error:
                exchange.answer(error.status, [], error.why.encode())
        elif exchange.path == "/pieces":
            pieces = [piece async for piece in exchange]
            exchange.answer(200, [], self._said(exchange, b"".join(pieces)))
        else:
            exchange.answer(200, [], self._said(exchange, await exchange.whole()))

    async def _flood(self, exchange: Exchange) -> None:
        stream = exchange.stream(200, [])
        try:
            for _ in range(64):
                await stream.send(_PIECE)
                self.sent += 1
            stream.end()
        except CallerGone:
            self.gone.set()
            raise

    @staticmethod
    def _said(exchange: Exchange, body: bytes) -> bytes:
        return f"{exchange.method} {exchange.path} {len(exchange.headers)} ".encode() + body


class Stage:
    """A server in a thread."""

    def __init__(self, **limits: Any) -> None:
        self.app = App()
        self._limits = limits
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self._up: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()))
        self._thread.start()
        self._up.result(10)

    def call(self, work: Callable[..., Any], *arguments: Any) -> None:
        self.loop.call_soon_threadsafe(work, *arguments)

    def finish(self, seconds: float = 5.0) -> bool:
        done: bool = asyncio.run_coroutine_threadsafe(self.server.finish(seconds), self.loop).result(20)
        return done

    def close(self) -> None:
        self.finish()
        self.call(self._end.set_result, None)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            caller = Caller(sock)
            with caller._read:
                yield caller

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._end = self.loop.create_future()
        self.server = Server(self.app, **self._limits)
        await self.server.listen(self._sock)
        self._up.set_result(None)
        await self._end


class Caller:
    """Sends bytes, reads answers."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._read = sock.makefile("rb")

    def send(self, data: bytes) -> Caller:
        self.sock.sendall(data)
        return self

    def answer(self, body: bool = True) -> tuple[int, dict[str, str], bytes]:
        status = int(self._read.readline().split()[1])
        headers = {}
        while (line := self._read.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        told = self._read.read(int(headers["content-length"])) if body and "content-length" in headers else b""
        return status, headers, told

    def ended(self) -> bool:
        return self._read.read(1) == b""


def request(path: str, body: bytes = b"", method: str = "POST", extra: str = "", version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nhost: x\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(read_seconds=5.0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[Stage]:
    """One that waits for nobody."""
    made = Stage(read_seconds=0.2, idle_seconds=0.2, largest_head=4096)
    yield made
    made.close()


@pytest.mark.parametrize("path", ["/whole", "/pieces", "/any"])
def test_bodies_come_whole_in_pieces_and_in_chunks(stage: Stage, path: str) -> None:
    with stage.caller() as caller:
        status, headers, body = caller.send(request(path, b"hello")).answer()
        assert (status, body) == (200, f"POST {path} 2 hello".encode())
        assert headers["date"].endswith("GMT")
        chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nafter: all\r\n\r\n"
        caller.send(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode() + chunks)
        assert caller.answer()[2] == f"POST {path} 2 hello world".encode()
        large = b"z" * 3_000_000
        assert caller.send(request(path, large)).answer()[2].endswith(large)


def test_requests_sent_ahead_are_answered_in_order(stage: Stage) -> None:
    paths = ["/whole/1", "/any/2", "/pieces", "/whole/3", "/any/4"] * 3
    with stage.caller() as caller:
        caller.send(b"".join(request(path, str(place).encode()) for place, path in enumerate(paths)))
        for place, path in enumerate(paths):
            assert caller.answer()[2] == f"POST {path} 2 {place}".encode()


def test_thousands_sent_ahead_are_answered_too(stage: Stage) -> None:
    with stage.caller() as caller:
        sender = threading.Thread(target=caller.send, args=(request("/whole") * 5000,))
        sender.start()
        assert {caller.answer()[0] for _ in range(5000)} == {200}
        sender.join(10)


def test_head_old_versions_and_the_wish_to_close(stage: Stage) -> None:
    with stage.caller() as caller:
        status, headers, _ = caller.send(request("/whole", method="HEAD")).answer(body=False)
        assert (status, headers["content-length"]) == (200, str(len("HEAD /whole 2 ")))
        assert caller.send(request("/whole", b"on")).answer()[2] == b"POST /whole 2 on"
        assert caller.send(request("/any", extra="connection: close\r\n")).answer()[1]["connection"] == "close"
        assert caller.ended()
    with stage.caller() as caller:
        assert caller.send(request("/whole", b"1", version="1.0")).answer()[1]["connection"] == "close"
        assert caller.ended()
    with stage.caller() as caller:
        caller.send(request("/flood", method="GET", version="1.0"))
        assert "transfer-encoding" not in caller.answer(body=False)[1]
        assert len(caller._read.read()) == 64 << 20


def test_paths_are_told_as_they_are_meant(stage: Stage) -> None:
    for asked, meant in {
        "/any/a%20b%2Fc?q=1": "/any/a b/c",
        "http://elsewhere/any/x": "/any/x",
        "/any/%C3%BC": "/any/ü",
        "/any/%zz": "/any/%zz",
    }.items():
        with stage.caller() as caller:
            assert caller.send(request(asked)).answer()[2] == f"POST {meant} 2 ".encode(), asked


def test_who_asks_before_sending_is_told_to_go_on(stage: Stage) -> None:
    for path in ("/whole", "/any"):
        with stage.caller() as caller:
            caller.send(request(path, b"12345", extra="expect: 100-continue\r\n")[:-5])
            assert caller._read.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert caller._read.readline() == b"\r\n"
            assert caller.send(b"12345").answer()[2] == f"POST {path} 3 12345".encode()
    with stage.caller() as caller:
        caller.send(request("/early", b"1" * 100, extra="expect: 100-continue\r\n")[:-100])
        assert caller.answer()[0] == 413


def test_a_refusal_reaches_a_caller_who_still_sends(stage: Stage) -> None:
    with stage.caller() as caller:
        sender = threading.Thread(target=caller.send, args=(request("/early", b"1" * 6_000_000),))
        sender.start()
        status, headers, body = caller.answer()
        assert (status, headers["connection"], body) == (413, "close", b"too large")
        sender.join(10)
        caller.sock.shutdown(socket.SHUT_WR)
        assert caller.ended()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        b"POST /any\r\n\r\n",
        request("/any", b"1", extra="transfer-encoding: chunked\r\n"),
        request("/any", b"1", extra="content-length: 2\r\n"),
        request("/any", extra="no colon\r\n"),
        request("/any", extra="a\x00b: c\r\n"),
        b"POST /whole HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(stage: Stage, sent: bytes) -> None:
    with stage.caller() as caller:
        status, headers, body = caller.send(sent).answer()
        assert (status, headers["connection"]) == (400, "close")
        assert body.startswith(b'{"error":"')
        caller.sock.shutdown(socket.SHUT_WR)
        assert caller.ended()


def test_bodies_in_a_form_that_nobody_asked_for_are_refused(stage: Stage) -> None:
    with stage.caller() as caller:
        caller.send(b"POST /any HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        assert caller.answer()[0] == 501


def test_what_came_before_nonsense_is_answered(stage: Stage) -> None:
    with stage.caller() as caller:
        caller.send(request("/any", b"good") + b"nonsense\r\n\r\n")
        assert caller.answer()[2] == b"POST /any 2 good"
        caller.sock.shutdown(socket.SHUT_WR)
        assert caller.ended()


def test_another_protocol_is_declined_by_an_answer_in_this_one(stage: Stage) -> None:
    with stage.caller() as caller:
        wish = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQ\r\n"
        assert caller.send(request("/any", extra=wish)).answer()[2] == b"POST /any 5 "
        assert caller.ended()
    with stage.caller() as caller:
        status, _, body = caller.send(request("/any", b"1", extra=wish)).answer()
        assert (status, b"leave out Upgrade" in body) == (400, True)


@pytest.mark.parametrize("path", ["/broken", "/broken/head", "/silent"])
def test_what_fails_in_the_application_ends_the_connection_and_no_other(stage: Stage, path: str) -> None:
    with stage.caller() as other, stage.caller() as caller:
        caller.send(request(path))
        with pytest.raises((ConnectionError, IndexError)):
            caller.answer()
        assert other.send(request("/whole", b"on")).answer()[2] == b"POST /whole 2 on"


def test_who_reads_slowly_holds_back_the_writer_and_who_leaves_ends_it(stage: Stage) -> None:
    app, before = stage.app, stage.app.sent
    app.gone.clear()
    with stage.caller() as caller:
        caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        caller.send(request("/flood"))
        assert caller.answer(body=False)[1]["transfer-encoding"] == "chunked"
        with stage.caller() as other:  # the loop goes on meanwhile
            for _ in range(50):
                assert other.send(request("/whole")).answer()[0] == 200
        assert app.sent - before < 40
    assert app.gone.wait(10)


def test_times(hasty: Stage) -> None:
    with hasty.caller() as silent, hasty.caller() as idle, hasty.caller() as slow, hasty.caller() as half:
        assert idle.send(request("/whole")).answer()[0] == 200
        slow.send(b"POST /whole HTTP/1.1\r\nhost:")
        half.send(request("/whole", b"123")[:-1])
        assert slow.answer()[0] == 408
        assert half.answer()[2] == b"late"
        assert idle.ended()
        assert silent.ended()
    assert hasty.app.given_up == [True]
    with hasty.caller() as gone:
        gone.send(request("/whole", b"123")[:-1])
        gone.sock.shutdown(socket.SHUT_WR)
        assert gone.ended()
    assert hasty.app.given_up == [True, False]


@pytest.mark.parametrize("flood", ["".join(f"x-{n}: 1\r\n" for n in range(300)), f"x: {'y' * 5000}\r\n", f"{'z' * 5000}: 1\r\n"])
def test_heads_are_bounded(hasty: Stage, flood: str) -> None:
    sent = request("/whole", extra=flood)
    with hasty.caller() as caller:
        assert caller.send(sent).answer()[0] == 431
    with hasty.caller() as caller:  # one that does not end
        assert caller.send(sent[:-4]).answer()[0] == (431 if len(sent) > 4500 else 408)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"host: a\r\n", 200),
        (b"", 400),
        (b"host: a\r\nHost: b\r\n", 400),
        (b"host: a\r\nHOST: a\r\n", 400),
    ],
)
def test_a_request_names_its_host_once(stage: Stage, sent: bytes, status: int) -> None:
    with stage.caller() as caller:
        assert caller.send(b"GET /whole HTTP/1.1\r\n%b\r\n" % sent).answer()[0] == status
    with stage.caller() as old:
        assert old.send(b"GET /whole HTTP/1.0\r\n%b\r\n" % sent).answer()[0] == (200 if sent.lower().count(b"host") < 2 else 400)


@pytest.mark.parametrize(("wrong", "status"), [(b"zz\r\n", 400), (b"3\r\nabcd\r\n", 400), (b"3;" + b"x" * 300_000, 431)])
@pytest.mark.parametrize("path", ["/whole", "/told"])
def test_what_is_no_body_is_told(stage: Stage, path: str, wrong: bytes, status: int) -> None:
    """The first chunk is right, so that the request is with the application already."""
    with stage.caller() as caller:
        begun = f"POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n".encode()
        caller.send(begun).send(wrong)
        assert caller.answer()[0] == status
        assert caller.ended()


def test_connections_are_bounded_and_idle_ones_make_room() -> None:
    """Descriptors end somewhere. Who is being answered stays, who was idle for longest goes."""
    stage = Stage(most=20)
    try:
        with ExitStack() as held:
            busy = held.enter_context(stage.caller())
            busy.send(request("/held"))
            assert stage.app.waiting.wait(10)
            idle = [held.enter_context(stage.caller()) for _ in range(19)]
            for caller in idle:
                assert caller.send(request("/whole")).answer()[0] == 200
            others = [held.enter_context(stage.caller()) for _ in range(40)]
            assert others[-1].send(request("/whole")).answer()[0] == 200
            assert idle[0].ended()
            assert stage.app.held is not None
            stage.call(stage.app.held.set)
            assert busy.answer()[2] == b"at last"
    finally:
        stage.close()


def test_with_every_connection_busy_a_newcomer_is_told() -> None:
    stage = Stage(most=2)
    try:
        with ExitStack() as held:
            for _ in range(2):
                stage.app.waiting.clear()
                held.enter_context(stage.caller()).send(request("/held"))
                assert stage.app.waiting.wait(10)
            newcomer = held.enter_context(stage.caller())
            status, headers, body = newcomer.answer()
            assert (status, headers["connection"]) == (503, "close")
            assert b"as many connections as there may be" in body
            assert newcomer.ended()
    finally:
        stage.finish(0)
        stage.close()


def test_an_address_is_bounded(hasty: Stage) -> None:
    with hasty.caller() as caller:
        assert caller.send(b"GET /" + b"p" * 100_000).answer()[0] == 431


def test_at_the_end_what_is_under_way_is_answered_and_what_takes_too_long_is_cut_off() -> None:
    stage = Stage()
    with stage.caller() as idle, stage.caller() as busy:
        assert idle.send(request("/whole")).answer()[0] == 200
        busy.send(request("/held"))
        assert stage.app.waiting.wait(10)
        assert stage.app.held is not None
        ending = threading.Thread(target=stage.finish)
        ending.start()
        assert idle.ended()
        stage.call(stage.app.held.set)
        status, headers, body = busy.answer()
        assert (status, headers["connection"], body) == (200, "close", b"at last")
        assert busy.ended()
        ending.join(10)
    with pytest.raises(ConnectionRefusedError), stage.caller():
        pass
    stage.close()
    stage = Stage()
    with stage.caller() as busy:
        busy.send(request("/held"))
        assert stage.app.waiting.wait(10)
        assert not stage.finish(0.1)
        with pytest.raises((ConnectionError, IndexError)):
            busy.answer()
    stage.close()


class _Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.told = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.told += data

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class _Same(App):
    """Answers at once."""

    def takes_whole(self, exchange: Exchange) -> bool:
        return True


@given(
    bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=5),
    chunked=st.booleans(),
    cuts=st.lists(st.integers(0, 600), max_size=12),
)
@settings(max_examples=examples(120, hunt=2000), deadline=None)
def test_however_the_bytes_are_cut_the_answers_are_the_same(bodies: list[bytes], chunked: bool, cuts: list[int]) -> None:
    def one(body: bytes) -> bytes:
        if not chunked:
            return request("/whole", body)
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:7], body[7:]) if piece)
        return b"POST /whole HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"

    sent = b"".join(map(one, bodies))
    places = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})

    async def asked() -> _Wire:
        connection, wire = Connection(Server(_Same())), _Wire()
        connection.connection_made(wire)
        for first, last in pairwise(places):
            connection.data_received(sent[first:last])
            await asyncio.sleep(0)
        for _ in bodies:
            await asyncio.sleep(0)
        return wire

    wire = asyncio.run(asked())
    assert not wire.closed
    answers = [part.partition(b"\r\n\r\n")[2] for part in wire.told.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert answers == [b"POST /whole 2 " + body for body in bodies]


@given(noise=st.binary(max_size=300), good=st.booleans())
@settings(max_examples=examples(150, hunt=3000), deadline=None)
def test_no_bytes_make_a_connection_fail(noise: bytes, good: bool) -> None:
    async def asked() -> _Wire:
        connection, wire = Connection(Server(_Same())), _Wire()
        connection.connection_made(wire)
        connection.data_received((request("/whole", b"1") if good else b"") + noise)
        await asyncio.sleep(0)
        connection.data_received(noise)
        connection.eof_received()
        connection.connection_lost(None)
        return wire

    told = asyncio.run(asked()).told
    assert told.startswith(b"HTTP/1.1 200 OK") if good else (told == b"" or told.startswith(b"HTTP/1.1 "))


def test_a_header_cannot_be_written_into_another() -> None:
    with pytest.raises(ValueError, match="control characters"):
        head(200, (("allow", "POST\r\nset-cookie: a"),))


def test_who_takes_no_answers_gets_no_more_of_them(stage: Stage) -> None:
    before = stage.app.large
    with stage.caller() as caller:
        caller.send(request("/large") * 200)
        with stage.caller() as other:
            for _ in range(100):
                assert other.send(request("/whole")).answer()[0] == 200
        assert stage.app.large - before < 20
        for _ in range(200):
            assert caller.answer()[2] == _PIECE
        assert caller.send(request("/whole", b"on")).answer()[2] == b"POST /whole 2 on"


@pytest.mark.parametrize(
    "sent", [request("/large"), request("/large", extra="connection: close\r\n"), request("/large") * 40, request("/flood")]
)
def test_who_never_takes_its_answer_is_cut_off(sent: bytes) -> None:
    stage = Stage(read_seconds=0.2, idle_seconds=0.2)
    with stage.caller() as caller:
        caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        caller.send(sent)
        assert caller.sock.recv(1, socket.MSG_PEEK)
        assert _within(10, lambda: not stage.server._connections)
    stage.close()


def test_who_takes_its_last_answer_slowly_gets_all_of_it() -> None:
    stage = Stage(read_seconds=0.3)
    with stage.caller() as caller:
        caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        caller.send(request("/flood", version="1.0"))
        assert "content-length" not in caller.answer(body=False)[1]
        read = 0
        while piece := caller._read.read(1 << 20):
            read += len(piece)
            threading.Event().wait(0.02)
        assert read == 64 << 20
    stage.close()


def test_all_that_came_before_the_end_is_answered(stage: Stage) -> None:
    with stage.caller() as caller:
        caller.send(request("/any", b"1") + request("/whole", b"2") + request("/any", b"3"))
        caller.sock.shutdown(socket.SHUT_WR)
        assert [caller.answer()[2][-1:] for _ in range(3)] == [b"1", b"2", b"3"]
        assert caller.ended()
    with stage.caller() as caller:
        caller.send(request("/any", b"1") + request("/whole", b"2") + b"nonsense\r\n\r\n")
        assert [caller.answer()[2][-1:] for _ in range(2)] == [b"1", b"2"]
        caller.sock.shutdown(socket.SHUT_WR)
        assert caller.ended()


def test_nothing_is_told_after_a_refusal(stage: Stage) -> None:
    many = request("/whole", extra="".join(f"x-{n}: 1\r\n" for n in range(300)))
    for before in (b"", request("/any", b"1")):
        with stage.caller() as caller:
            caller.send(before + many + many + request("/whole", b"2") * 3)
            caller.sock.shutdown(socket.SHUT_WR)
            assert caller.answer()[0] == (200 if before else 431)
            assert caller.ended()


def test_one_header_many_times_is_refused_before_it_is_joined(stage: Stage) -> None:
    with stage.caller() as caller:
        assert caller.send(request("/whole", extra="a:\r\n" * 257)).answer()[0] == 431


def test_what_is_no_body_is_bounded_behind_a_head_too(stage: Stage) -> None:
    begun = b"POST /any HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    for flood in (b"5\r\nhello\r\n0\r\nx: ", b"5;x="):
        connection = _fed(begun + flood, *[b"y" * 10_000] * 8)
        assert connection._broken  # its application is told that no more comes


def _fed(*pieces: bytes) -> Connection:
    async def asked() -> Connection:
        connection = Connection(Server(App()))
        connection.connection_made(_Wire())
        for piece in pieces:
            connection.data_received(piece)
        return connection

    return asyncio.run(asked())


def _within(seconds: float, reached: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        threading.Event().wait(0.01)
    return reached()
