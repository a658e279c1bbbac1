"""One load for every server: the same number of connections, kept open, each asking again as soon as it is answered.

`wrk` does it (brought from Debian when it is missing and that is possible); else a small generator in this package does, which
needs more processor time itself and so flatters slow servers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.rounds import Sample, cpu_of

SCRIPT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
"""


def ask(url: str, body: bytes, connections: int, seconds: float, processes: Sequence[int], rows: int = 1) -> Sample:
    """Ask for so long; rows answered, and the processor time of `processes`. Raises SystemExit when anything but 2xx came."""
    before, started = cpu_of(processes), time.perf_counter()
    generate = _by_wrk if wrk() else _by_python
    answered, wrong = generate(url, body, connections, seconds)
    wall = time.perf_counter() - started
    if wrong or not answered:
        raise SystemExit(f"{url}: {answered} answers, {wrong} of them wrong")
    return Sample(wall, cpu_of(processes) - before, answered * rows)


@cache
def wrk() -> str | None:
    """Where wrk is; None when it cannot be had."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "-qq", "-y", "wrk"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    return shutil.which("wrk")


def _by_wrk(url: str, body: bytes, connections: int, seconds: float) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        script = Path(folder) / "post.lua"
        script.write_text(SCRIPT.format(body=Path(folder) / "body"))
        arguments = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script), url]
        told = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    answered = re.search(r"(\d+) requests in", told)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    failed = sum(map(int, errors.groups())) if errors else 0
    return int(answered[1]) if answered else 0, (int(wrong[1]) if wrong else 0) + failed


def _by_python(url: str, body: bytes, connections: int, seconds: float) -> tuple[int, int]:
    order = [url, str(connections), str(seconds)]
    told = subprocess.run([sys.executable, "-m", __name__, *order], input=body, capture_output=True, check=True).stdout
    answered, wrong = json.loads(told)
    return answered, wrong


async def _generate(url: str, body: bytes, connections: int, seconds: float) -> tuple[int, int]:
    parts, end = urlsplit(url), time.monotonic() + seconds
    head = (
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    request, counts = "\r\n".join((*head, "", "")).encode() + body, [0, 0]

    async def one() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.monotonic() < end:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            counts[0] += 1
            counts[1] += not answer.startswith(b"HTTP/1.1 2")
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return counts[0], counts[1]


if __name__ == "__main__":
    done = asyncio.run(_generate(sys.argv[1], sys.stdin.buffer.read(), int(sys.argv[2]), float(sys.argv[3])))
    print(json.dumps(done))
