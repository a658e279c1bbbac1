"""The tail at half of the peak load: 99th percentile against the median.

Requests are sent at the times of a plan (a steady rate, whatever the answers do), and each is timed from when it should have been
sent, so that a server that stalls is not spared (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

from benchmarks.against.models import onnx_bytes
from benchmarks.against.ours import modelyard
from benchmarks.against.peers import mlserver
from benchmarks.rounds import Spread, settle
from benchmarks.serving.load import ask

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
CONNECTIONS = 16


def run(stack: ExitStack, folder: Path) -> None:
    """Print peak, median and 99th percentile of ours and of MLServer."""
    servers = {
        "modelyard": stack.enter_context(modelyard(onnx_bytes("logistic"), folder)),
        "mlserver": stack.enter_context(mlserver("logistic", folder)),
    }
    settle([pid for server in servers.values() for pid in server.processes])
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, server in servers.items():
            peak = ask(server.url, server.body, CONNECTIONS, max(1, SECONDS // 2), server.processes).rate
            times = steadily(server.url, server.body, peak / 2, SECONDS)
            taken[name].append((peak, times[len(times) // 2], times[int(len(times) * 0.99)]))
    print("| server | peak, a second | p50 at half of it, ms | p99, ms | p99 / p50 (aim: 5) |")
    print("|---|---|---|---|---|")
    for name, found in taken.items():
        peaks, middle, tail = (Spread.of(values) for values in zip(*found, strict=True))
        ratio = Spread.of([p99 / p50 for _, p50, p99 in found])
        print(f"| {name} | {peaks} | {_ms(middle)} | {_ms(tail)} | {ratio} |", flush=True)


def _ms(spread: Spread) -> Spread:
    return Spread(spread.median * 1e3, spread.low * 1e3, spread.high * 1e3)


def steadily(url: str, body: bytes, rate: float, seconds: float) -> list[float]:
    """Seconds that requests took at a steady rate, sorted. The generator runs in a process of its own."""
    order = [url, str(rate), str(seconds)]
    told = subprocess.run([sys.executable, "-m", __name__, *order], input=body, capture_output=True, check=True).stdout
    times: list[float] = json.loads(told)
    return times


class Wire(asyncio.Protocol):
    """One kept-alive connection: the next request goes out when the one before is answered."""

    def __init__(self, request: bytes, times: list[float]) -> None:
        self.request, self.times = request, times
        self.waiting: list[float] = []
        self.begun = 0.0
        self.read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, due: float) -> None:
        if self.begun:
            self.waiting.append(due)
            return
        self.begun = due
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.read += data
        end = self.read.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.read[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(self.read) < end + 4 + length:
            return
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(bytes(self.read).decode())
        self.times.append(perf_counter() - self.begun)
        self.read.clear()
        self.begun = 0.0
        if self.waiting:
            self.send(self.waiting.pop(0))


async def generate(url: str, body: bytes, rate: float, seconds: float) -> list[float]:
    """Send by plan, wait for what is still under way, give the times."""
    parts, times, loop = urlsplit(url), [], asyncio.get_running_loop()
    lines = (
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    head = "\r\n".join((*lines, "", ""))
    made = [
        (await loop.create_connection(lambda: Wire(head.encode() + body, times), parts.hostname, parts.port))[1]
        for _ in range(CONNECTIONS)
    ]
    start, sent = perf_counter(), 0
    while (now := perf_counter()) - start < seconds:
        while start + sent / rate <= now:
            made[sent % len(made)].send(start + sent / rate)
            sent += 1
        await asyncio.sleep(0.0005)
    end = perf_counter() + 30
    while any(wire.begun for wire in made) and perf_counter() < end:
        await asyncio.sleep(0.01)
    if len(times) < sent:
        raise SystemExit(f"{sent - len(times)} of {sent} requests were not answered")
    return sorted(times[len(times) // 10 :])


if __name__ == "__main__":
    found = asyncio.run(generate(sys.argv[1], sys.stdin.buffer.read(), float(sys.argv[2]), float(sys.argv[3])))
    print(json.dumps(found))
    sys.stderr.write(f"median {statistics.median(found) * 1e3:.2f} ms\n")
