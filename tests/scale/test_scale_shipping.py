"""A runtime that ships what it answers: acknowledged after the store, collected after its disk is gone; also on real S3."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelyard.core.errors import NotFound, Unavailable
from modelyard.decisions import DecisionLog, DecisionReader, Window
from modelyard.decisions.shipping import Shipper
from modelyard.decisions.shipping_collector import Collector
from modelyard.decisions.shipping_stores import SegmentStore, segments_at
from modelyard.delivery.targets import Target, as_yaml, kubernetes
from tests.processes.processes_yard import eventually
from tests.runtime.runtime_stage import ControlPlane, RunningRuntime
from tests.scale.scale_yard import S3Server

AT_ONCE = timedelta(0)


def collector(store: SegmentStore, folder: Path, settle: timedelta = AT_ONCE) -> Collector:
    return Collector(store, folder / "decisions", folder / "collected", settle=settle)


def collected(folder: Path) -> Counter[str]:
    return Counter(DecisionReader(folder / "decisions").scan(Window(), ["id"])["id"].to_pylist())


def test_a_runtime_that_loses_its_disk_loses_no_answer(tmp_path: Path) -> None:
    plane, store = ControlPlane(tmp_path), tmp_path / "store"
    plane.publish(plane.endpoint(plane.arm(1.0)))
    options = ("--segments", str(store), "--acknowledge", "object-store", "--seal-after", "1")
    runtime = RunningRuntime(plane, tmp_path / "home", None, *options)
    try:
        for path in set(re.findall(r"path: (/v2/health/\S+)", as_yaml(kubernetes(Target())))):
            eventually(lambda p=path: (r := runtime.get(p)) is not None and r.status_code == 200, f"{path} says yes")
        answered = []
        for number in range(20):
            inputs = [{"name": n, "shape": [1], "datatype": "FP32", "data": [number]} for n in ("a", "b")]
            told = httpx.post(f"http://127.0.0.1:{runtime.port}/v2/models/hold/infer", json={"inputs": inputs}, timeout=10)
            assert told.status_code == 200, told.text
            answered += told.json()["parameters"]["decision_ids"]
    finally:
        runtime.process.kill()
        runtime.process.wait(timeout=30)
        _end_family(runtime)
    shutil.rmtree(tmp_path / "home")
    done = collector(segments_at(str(store)), tmp_path / "centre").collect()
    assert (done.problems, done.brought > 0) == ({}, True)
    assert collected(tmp_path / "centre") == Counter(answered)


def _end_family(runtime: RunningRuntime) -> None:
    """The worker process ends by itself when its parent is gone; the disk is lost after that."""
    eventually(lambda: runtime_is_gone(runtime), "the runtime's worker has ended")


def runtime_is_gone(runtime: RunningRuntime) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{runtime.port}/v2/health/live", timeout=1)
    except httpx.TransportError:
        return True
    return False


def test_a_runtime_without_a_store_cannot_acknowledge_after_it(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    command = [sys.executable, "-m", "modelyard.runtime", "--home", str(tmp_path / "h"), "--port", "1", "--source", "x"]
    done = subprocess.run(
        [*command, "--trust-roots", str(plane.roots), "--acknowledge", "object-store"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "a store that is not named" in done.stderr


# --- on S3

WRITER = """
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, {tests!r})
from decision_rows import rows
from modelyard.core.errors import ModelyardError
from modelyard.decisions.shipping_log import Acknowledge, ShippedLog, Shipping
from modelyard.decisions.shipping_stores import segments_at
options = {options!r}
often = dict(segment_bytes=30_000, seal_after=timedelta(seconds=1), keep=timedelta(0), every=0.05)
shipping = Shipping(Acknowledge(sys.argv[2]), **often)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background has it ignored
with ShippedLog(Path(sys.argv[1]), "writer", segments_at({url!r}, options), shipping) as log:
    for n in range(10_000_000):
        ids = [f"dec_{{sys.argv[3]}}_{{n}}_{{k}}" for k in range(3)]
        if log.commit([rows([i]) for i in ids]) == [None] * 3:
            sys.stdout.write(" ".join(ids) + "\\n")
            sys.stdout.flush()
        time.sleep(0.02)  # a caller's pace: two cores have to carry writers, store and collector
"""


def _writer(folder: Path, mode: str, name: str, url: str, options: dict[str, Any]) -> subprocess.Popen[str]:
    program = WRITER.format(tests=str(Path(__file__).parents[1] / "decisions"), options=options, url=url)
    command = [sys.executable, "-c", program, str(folder), mode, name]
    with (folder.parent / f"{name}.out").open("w") as out, (folder.parent / f"{name}.err").open("w") as err:
        return subprocess.Popen(command, stdout=out, stderr=err, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})


def _acknowledged(folder: Path) -> list[str]:
    """Whole lines: one that was cut off by the kill was acknowledged to nobody. What the log's warnings say is no id."""
    lines = [line for out in folder.glob("*.out") for line in out.read_text().split("\n")[:-1]]
    return [i for line in lines if line.startswith("dec_") for i in line.split()]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["local", "object-store"])
def test_writers_on_s3_killed_again_and_again(mode: str, tmp_path: Path, s3_options: dict[str, Any]) -> None:
    """Ten kills at random moments, the collector beside them; with the store as the mode, every other time the disk goes too."""
    url = f"s3://modelyard/{tmp_path.name}-{mode}"
    store, centre, draws = segments_at(url, s3_options), tmp_path / "centre", random.Random(4)
    machine = tmp_path / "machine"
    machine.mkdir()
    for turn in range(10):
        process = _writer(machine / "disk", mode, f"{turn}", url, s3_options)
        out = machine / f"{turn}.out"
        eventually(lambda o=out: o.exists() and o.stat().st_size > 0, "the writer acknowledges", within=180)
        until = time.monotonic() + draws.uniform(0.1, 1.5)
        while time.monotonic() < until:
            collector(store, centre, timedelta(seconds=draws.choice([0, 60]))).collect()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        if mode == "object-store" and turn % 2:
            shutil.rmtree(machine / "disk")
    last = _writer(machine / "disk", mode, "last", url, s3_options)
    eventually(lambda: (machine / "last.out").stat().st_size > 0, "the last writer acknowledges", within=60)
    last.send_signal(signal.SIGKILL)
    last.wait(timeout=30)
    if mode == "local":
        DecisionLog(machine / "disk", "tidy").close()  # adopts what the last one left open
        Shipper(machine / "disk", store).ship()
    for _ in range(3):
        assert collector(store, centre).collect().problems == {}
    seen, acknowledged = collected(centre), _acknowledged(machine)
    assert len(acknowledged) > 100
    assert [i for i in acknowledged if seen[i] == 0] == [], "acknowledged and not readable"
    assert [i for i, times in seen.items() if times > 1] == [], "doubled"


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)  # it takes its time to end in order, and nothing of it is needed any more


def _ended(process: subprocess.Popen[str], within: float) -> None:
    try:
        process.wait(timeout=within)
    finally:
        process.kill()


@pytest.mark.slow
def test_a_store_that_stops_and_starts_again(tmp_path: Path, own_s3: S3Server) -> None:
    """Answers go on or are refused, by mode; nothing acknowledged is lost, and all goes on by itself."""
    url, centre, machine = "s3://modelyard/stops", tmp_path / "centre", tmp_path / "machine"
    store = segments_at(url, own_s3.options)
    machine.mkdir()
    processes = {mode: _writer(machine / mode, mode, mode, url, own_s3.options) for mode in ("local", "object-store")}
    outs = {mode: machine / f"{mode}.out" for mode in processes}
    try:
        for out in outs.values():
            eventually(lambda o=out: o.exists() and o.stat().st_size > 0, "the writer acknowledges", within=180)
        collector(store, centre, timedelta(hours=1)).collect()
        own_s3.stop()
        with pytest.raises(Unavailable):
            store.list("segments")
        before = {mode: out.stat().st_size for mode, out in outs.items()}
        eventually(lambda: outs["local"].stat().st_size > before["local"] + 1000, "the disk goes on acknowledging", within=180)
        assert outs["object-store"].stat().st_size == before["object-store"], "after the store means after the store"
        own_s3.start()
        for mode, out in outs.items():
            eventually(lambda o=out, m=mode: o.stat().st_size > before[m] + 1000, f"{mode} goes on", within=120)
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGINT)
        for process in processes.values():
            _ended(process, within=120)

    def all_there() -> bool:
        assert collector(store, centre).collect().problems == {}
        seen = collected(centre)
        return all(seen[i] == 1 for i in _acknowledged(machine)) and max(seen.values()) == 1

    eventually(all_there, "everything acknowledged is collected once", within=180)


@pytest.mark.slow
def test_s3_creates_once(s3_options: dict[str, Any], tmp_path: Path) -> None:
    store = segments_at(f"s3://modelyard/{tmp_path.name}-once", s3_options)
    assert store.create("a/1", b"one")
    assert not store.create("a/1", b"two")
    assert store.get("a/1") == b"one"
    assert store.create("a/2", b"")
    assert [each.name for each in store.list("a", after="a/1")] == ["a/2"]
    store.remove("a/1")
    store.remove("a/1")
    with pytest.raises(NotFound):
        store.get("a/1")
    with pytest.raises(NotFound):
        segments_at("s3://no-such-bucket/x", s3_options).get("a")
