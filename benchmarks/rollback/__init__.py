"""Promotion and rollback under load: does anybody notice, and how long does the old version go on answering?

    python -m benchmarks.rollback --times 50

A whole installation on loopback. `wrk` keeps its connections asking; beside it a few callers note for each answer when it came
and which version gave it. Meanwhile a challenger is deployed, promoted and rolled back through the API, so many times. Reported
are failed requests, answers of the wrong version that came more than a second after the command was sent, and the time from
sending the command to the last answer of the version that had to go.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx

from benchmarks.model import FIELDS, rows, write_onnx, write_sample
from benchmarks.serving.load import ask, wrk
from benchmarks.serving.release import until
from benchmarks.yard import Yard, yard
from modelyard.catalog import Version
from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.delivery.commands import CreateEndpoint, Deploy, Promote, Rollback
from modelyard.delivery.model import Endpoint
from modelyard.evaluation.commands import RunChecks
from modelyard.governance.assurance.commands import DecideApproval, EvaluateGate, RequestApproval
from modelyard.governance.assurance.model import APPROVALS, Approval, Evidence, Scope
from modelyard.governance.releases.commands import IssueRelease
from modelyard.governance.releases.model import IssuedRelease
from modelyard.jobs.model import JOBS, Job, JobState

NAME = "swing"
CALLERS = 4
CONNECTIONS = 4
LATE = 1.0
"""Seconds after which no answer of the old version may come."""
REST = 1.5
"""Seconds between two commands: long enough to see who answers late."""


@dataclass
class Callers:
    """Connections that are kept open and never stop asking."""

    url: str
    body: bytes
    answers: list[tuple[float, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        self._wrk = threading.Thread(target=self._load)

    def __enter__(self) -> Callers:
        for thread in (*self._threads, self._wrk):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in (*self._threads, self._wrk):
            thread.join()

    def _call(self) -> None:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", parts.path, self.body, {"content-type": "application/json"})
                answer = connection.getresponse()
                told = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if answer.status == 200:
                self.answers.append((time.monotonic(), json.loads(told)["model_version"]))
            else:
                self.failures.append(f"{answer.status} {told[:200]!r}")

    def _load(self) -> None:
        """What is only counted: `wrk` says how many answers were none."""
        while wrk() is not None and not self._stop.is_set():
            try:
                ask(self.url, self.body, CONNECTIONS, 3.0, [])
            except SystemExit as wrong:
                self.failures.append(str(wrong))


@dataclass(frozen=True)
class Turn:
    """A command that takes a version away: when it was sent, when it was answered, and which version had to go."""

    what: str
    sent: float
    answered: float
    old: str


@dataclass(frozen=True)
class Report:
    """What was seen. Times are seconds from sending the command to the last answer of the version that had to go."""

    turns: int
    answers: int
    failures: tuple[str, ...]
    late: int
    gone: dict[str, tuple[float, ...]]

    def lines(self) -> list[str]:
        told = [
            f"{self.turns} changes of the champion under load, {self.answers:,} answers noted",
            f"{'failed requests':40} {len(self.failures)}",
            f"{f'wrong version more than {LATE:g} s after':40} {self.late} ({self.late / max(1, self.answers):.4%})",
        ]
        for what, times in self.gone.items():
            told.append(f"{what + ': last answer of the old version':40} p50 {median(times):.3f} s   max {max(times):.3f} s")
        return told


def swing(place: Yard, folder: Path, times: int, rest: float = REST) -> Report:
    """Promote and roll back so many times while callers ask."""
    old, new = staged(place, folder)
    url = f"{place.runtime_url}/v2/models/{NAME}/infer"
    until(lambda: httpx.get(f"{place.runtime_url}/v2/models/{NAME}/ready").status_code == 200)
    columns = zip(*rows(1), strict=True)
    inputs = [{"name": n, "shape": [1], "datatype": "FP32", "data": list(c)} for n, c in zip(FIELDS, columns, strict=True)]
    turns: list[Turn] = []
    with (
        Callers(url, json.dumps({"inputs": inputs}).encode()) as callers,
        place.client("omar") as omar,
        place.client("bea") as bea,
    ):
        until(lambda: bool(callers.answers))
        for _ in range(times):
            omar.do(Deploy(endpoint=NAME, release=new.id, role="challenger", share=0.0, arm="v2"), Endpoint, reason="swing")  # type: ignore[arg-type]
            sent = time.monotonic()
            bea.do(Promote(endpoint=NAME, arm="v2"), Endpoint, reason="swing")
            turns.append(Turn("promotion", sent, time.monotonic(), old.version))
            time.sleep(rest)
            sent = time.monotonic()
            omar.do(Rollback(endpoint=NAME), Endpoint, reason="swing")
            turns.append(Turn("rollback", sent, time.monotonic(), new.version))
            time.sleep(rest)
    return judged(turns, callers)


def judged(turns: Sequence[Turn], callers: Callers) -> Report:
    """Each answer between two commands belongs to the first of them."""
    ends = [turn.sent for turn in turns[1:]] + [float("inf")]
    gone: dict[str, list[float]] = {}
    late = 0
    for turn, end in zip(turns, ends, strict=True):
        stale = [at - turn.sent for at, version in callers.answers if turn.sent < at < end and version == turn.old]
        gone.setdefault(turn.what, []).append(max(stale, default=0.0))
        late += sum(after > LATE for after in stale)
    times = {what: tuple(found) for what, found in gone.items()}
    return Report(len(turns), len(callers.answers), tuple(callers.failures), late, times)


def staged(place: Yard, folder: Path) -> tuple[IssuedRelease, IssuedRelease]:
    """Two versions with releases, the first of them champion of the endpoint."""
    with place.client("dana") as dana:
        dana.do(RegisterUseCase(name=NAME, tier="medium"))
        dana.do(RegisterModel(name=NAME, use_case=NAME, kind="ml"))
    first = released(place, folder, write_onnx(folder))
    with place.client("omar") as omar:
        omar.do(CreateEndpoint(name=NAME, use_case=NAME))
        omar.do(Deploy(endpoint=NAME, release=first.id, arm="v1"), reason="swing")
    return first, released(place, folder, _another(folder))


def _another(folder: Path) -> Path:
    """The same model in a file of other bytes: what differs is who answers."""
    import onnx

    model = onnx.load(folder / "model.onnx")
    model.doc_string = "the second"
    path = folder / "second.onnx"
    onnx.save(model, path)
    return path


def released(place: Yard, folder: Path, artifact: Path) -> IssuedRelease:
    """From the file to a release for champions and challengers."""
    with place.client("dana") as dana, place.client("omar") as omar, place.client("bea") as bea:
        version: Version = dana.register(NAME, artifact, sample=write_sample(folder / "sample.parquet")).version
        test = dana.upload(write_sample(folder / "test.parquet", label="outcome")).digest
        job = dana.do(RunChecks(version=version.id, test=test, label="outcome"), Job)
        until(lambda: dana.get(JOBS, job.id).state in (JobState.DONE, JobState.FAILED))
        gate = dana.do(EvaluateGate(version=version.id), Evidence)
        if gate.metrics.get("passes") != 1:
            raise SystemExit(f"the model does not pass the gate: {gate.summary}; {dana.get(JOBS, job.id).error}")
        scope = Scope(use_case=NAME, endpoints=(NAME,), roles=("champion", "challenger"))
        asked = omar.do(RequestApproval(version=version.id, scope=scope), Approval, reason="swing")
        shown = bea.get(APPROVALS, asked.id)
        decide = DecideApproval(approval=shown.id, verdict="approved", comments="seen", shown=shown.bound)
        bea.do(decide, reason="swing")
        return omar.do(IssueRelease(approval=shown.id), IssuedRelease, reason="swing")


def main(times: int = 50) -> Report:
    """Do it in a fresh installation and print what was seen."""
    with tempfile.TemporaryDirectory() as folder, yard() as place:
        report = swing(place, Path(folder), times)
    print("\n".join(report.lines()), flush=True)
    return report
