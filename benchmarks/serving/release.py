"""Take the benchmark's model through its governed life, from registration to an endpoint that the runtime serves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.model import write_onnx, write_sample
from benchmarks.yard import Yard
from modelyard.catalog import Version
from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.delivery.commands import CreateEndpoint, Deploy
from modelyard.evaluation.commands import RunChecks
from modelyard.governance.assurance.commands import DecideApproval, EvaluateGate, RequestApproval
from modelyard.governance.assurance.model import APPROVALS, Approval, Evidence, Scope
from modelyard.governance.releases.commands import IssueRelease
from modelyard.governance.releases.model import IssuedRelease
from modelyard.jobs.model import JOBS, Job, JobState

NAME = "bench"
PATIENCE = 120.0


def serving(yard: Yard, folder: Path) -> str:
    """The address that answers inferences with the released version."""
    release = _released(yard, _checked(yard, folder))
    with yard.client("omar") as omar:
        omar.do(CreateEndpoint(name=NAME, use_case=NAME))
        omar.do(Deploy(endpoint=NAME, release=release), reason="benchmark")
    until(lambda: httpx.get(f"{yard.runtime_url}/v2/models/{NAME}/ready").status_code == 200)
    return f"{yard.runtime_url}/v2/models/{NAME}/infer"


def _checked(yard: Yard, folder: Path) -> Version:
    with yard.client("dana") as dana:
        dana.do(RegisterUseCase(name=NAME, tier="medium"))
        dana.do(RegisterModel(name=NAME, use_case=NAME, kind="ml"))
        version = dana.register(NAME, write_onnx(folder), sample=write_sample(folder / "sample.parquet")).version
        test = dana.upload(write_sample(folder / "test.parquet", label="outcome")).digest
        job = dana.do(RunChecks(version=version.id, test=test, label="outcome"), Job)
        until(lambda: dana.get(JOBS, job.id).state in (JobState.DONE, JobState.FAILED))
        gate = dana.do(EvaluateGate(version=version.id), Evidence)
        if gate.metrics.get("passes") != 1:
            raise SystemExit(f"the benchmark's model does not pass the gate: {gate.summary}; {dana.get(JOBS, job.id).error}")
    return version


def _released(yard: Yard, version: Version) -> str:
    scope = Scope(use_case=NAME, endpoints=(NAME,), roles=("champion",))
    with yard.client("omar") as omar, yard.client("bea") as bea:
        asked = omar.do(RequestApproval(version=version.id, scope=scope), Approval, reason="benchmark")
        shown = bea.get(APPROVALS, asked.id)
        decide = DecideApproval(approval=shown.id, verdict="approved", comments="seen", shown=shown.bound)
        bea.do(decide, reason="benchmark")
        return omar.do(IssueRelease(approval=shown.id), IssuedRelease, reason="benchmark").id


def until(holds: Callable[[], bool]) -> None:
    """Wait for it. Raises SystemExit after a while."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"waited {PATIENCE:.0f} s in vain")
        time.sleep(0.2)
