"""One row a request, 16 connections: the governed runtime, the same server's echo, the peers, and the disk's own flushes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.against.models import onnx_bytes
from benchmarks.against.ours import modelyard
from benchmarks.against.peers import AIMS, PEERS, Peer, open_inference
from benchmarks.against.picture import bars
from benchmarks.rounds import Sample, Spread, cheaper, faster, interleaved, settle
from benchmarks.serving import echo, flushes
from benchmarks.serving.load import ask

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
CONNECTIONS = 16


def run(stack: ExitStack, folder: Path) -> None:
    """Print the table and draw it."""
    ours = stack.enter_context(modelyard(onnx_bytes("logistic"), folder))
    url, processes = stack.enter_context(echo(folder))
    servers = {"modelyard": ours, "echo": Peer(url, open_inference(1), processes)}
    url, processes = stack.enter_context(echo(folder, "granian"))
    servers["granian's echo"] = Peer(url, open_inference(1), processes)
    for name, start in PEERS.items():
        servers[name] = stack.enter_context(start("logistic", folder))  # type: ignore[arg-type]
    taken = measured(servers, folder)
    told(taken, AIMS | {"echo": 0.5, "granian's echo": 0.5})
    bars({name: samples for name, samples in taken.items() if name != "disk"}, "logistic regression, 30 numbers, 16 connections")


def measured(servers: dict[str, Peer], folder: Path, connections: int = CONNECTIONS) -> dict[str, list[Sample]]:
    """Each server's turns in alternation, once to warm up before; and the disk's."""
    settle([pid for server in servers.values() for pid in server.processes])
    turns = {n: partial(ask, s.url, s.body, connections, SECONDS, s.processes) for n, s in servers.items()}
    for turn in turns.values():
        turn()
    return interleaved(turns | {"disk": partial(flushes, folder)}, ROUNDS)


def told(taken: dict[str, list[Sample]], aims: dict[str, float]) -> None:
    print("| server | a second | µs of processor each | ours against it: clock | processor | aim |")
    print("|---|---|---|---|---|---|")
    ours = taken["modelyard"]
    for name, samples in taken.items():
        rate = Spread.of([s.rate for s in samples])
        each = "–" if name == "disk" else str(Spread.of([s.cpu_each * 1e6 for s in samples]))
        ratio = ("–", "–") if name in ("modelyard", "disk") else (faster(ours, samples), cheaper(ours, samples))
        print(f"| {name} | {rate} | {each} | {ratio[0]} | {ratio[1]} | {aims.get(name, '–')} |", flush=True)
