"""Batches as jobs: each is a child process of the data plane, which the worker starts, listens to and ends."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelyard.bootstrap import Platform, runtime_token
from modelyard.core.bus import Request
from modelyard.core.errors import InvalidInput, ModelyardError, NotApproved, StorageFull, Unavailable, WrongState
from modelyard.core.messages import SYSTEM, EventEnvelope
from modelyard.core.records import equals, first
from modelyard.delivery.batches import JOB_KIND
from modelyard.delivery.batches.commands import RecordBatch
from modelyard.jobs import JOBS, Run
from modelyard.storage.key_files import ROOTS

LOOK_EVERY = 0.5
MOST_FILES = 100
_ENDS = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow"}
_KINDS: dict[str, type[ModelyardError]] = {
    "invalid_input": InvalidInput, "not_found": InvalidInput, "not_approved": NotApproved, "untrusted": NotApproved,
    "wrong_state": WrongState, "storage_full": StorageFull,
}  # fmt: skip
"""Errors of the data plane that trying again does not mend, and those that tell more than that it did not work."""


def score(platform: Platform, run: Run) -> dict[str, Any]:
    """Score a batch, from wherever an earlier attempt left it. Raises what the data plane told, and Stopped when cancelled."""
    payload = run.job.payload
    batch = str(payload["batch"])
    _record(platform, run.job.organisation, RecordBatch(batch=batch, state="running"), f"{run.job.id}-running")
    order = _with_blobs(platform, batch, dict(payload["order"]), str(payload["blob_format"]))
    asked = {
        "batch": batch,
        "order": order,
        "engine": payload["engine"],
        "processes": payload["processes"],
        "place": _place(platform) | {"lent": _lent(platform, batch)},
    }
    with _child(asked) as lines:
        result = _listen(run, lines)
    run.log(f"{result['answered']} of {result['read']} rows answered, {result['logged']} logged, {result['rejected']} left out")
    _keep(run, Path(str(result["out"])))
    return result


def _place(platform: Platform) -> dict[str, Any]:
    """Where the data plane beside this platform is, and whom it trusts."""
    settings = platform.settings
    policy, key, data = settings.home / "policy.json", settings.pseudonym_key_file, settings.data_key_file
    return {
        "home": str(settings.runtime_folder.absolute()),
        "source": settings.url,
        "trust_roots": str((settings.home / "keys" / ROOTS).absolute()),
        "log": str((settings.runtime_folder / "decisions").absolute()),
        "token_file": str(runtime_token(platform).absolute()),
        "policy_file": str(policy.absolute()) if policy.exists() else None,
        "pseudonym_key_file": str(key.absolute()) if key is not None else None,
        "data_key_file": str(data.absolute()) if data is not None else None,
    }


def _lent(platform: Platform, batch: str) -> dict[str, Any]:
    """What the batch may read, links followed: who asks for it names patterns, and links lie in folders of others."""
    places = platform.settings.places
    folders = [str(places.home), *(str(Path(root).absolute()) for root in places.roots if "://" not in root)]
    return {"folders": folders, "batches": str(places.home), "own": batch}


def _with_blobs(platform: Platform, batch: str, order: dict[str, Any], form: str) -> dict[str, Any]:
    """The order with uploaded blobs as files of the batch's own folder. Raises NotFound for a blob that is not there."""
    inputs = []
    for text in order["inputs"]:
        if text.startswith("sha256:"):
            path = platform.settings.places.folder(batch) / "in" / f"{text.removeprefix('sha256:')}.{form}"
            if not path.exists():
                _write(platform, text, path)
            inputs.append(str(path))
        else:
            inputs.append(text)
    return order | {"inputs": inputs}


def _write(platform: Platform, digest: str, path: Path) -> None:
    platform.blobs.verify(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".incoming")
    with temporary.open("wb") as file:
        for piece in platform.blobs.open(digest):
            file.write(piece)
    temporary.replace(path)


@contextmanager
def _child(asked: dict[str, Any]) -> Iterator[Iterator[str | None]]:
    """The lines that the data plane tells, None while there is none. It ends with this process, and at the latest here."""
    command = [sys.executable, "-m", "modelyard.runtime.batch"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    told: queue.Queue[str | None] = queue.Queue()
    listeners = [threading.Thread(target=_hear, args=(s, told), daemon=True) for s in (process.stdout, process.stderr)]
    try:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()  # and is left open: its end tells the child that we are gone
        for listener in listeners:
            listener.start()
        yield _lines(told, len(listeners))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # whatever it was at is gone on with by the next attempt
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def _hear(stream: Any, told: queue.Queue[str | None]) -> None:
    try:
        for line in stream:
            told.put(line.rstrip("\n"))
    finally:
        told.put(None)


def _lines(told: queue.Queue[str | None], streams: int) -> Iterator[str | None]:
    """Lines until all streams have ended; None whenever there was none for a moment."""
    while streams:
        try:
            line = told.get(timeout=LOOK_EVERY)
        except queue.Empty:
            yield None
            continue
        if line is None:
            streams -= 1
        else:
            yield line


def _listen(run: Run, lines: Iterator[str | None]) -> dict[str, Any]:
    """Relay progress and log until the result. Raises what the child told, Unavailable when it ended without a word."""
    result: dict[str, Any] | None = None
    for line in lines:
        run.go_on()
        if line is None:
            continue
        said = _said(line)
        if said is None:
            run.log(line)
        elif said["type"] == "progress":
            note = f"part {said['parts']} of {said['of']}, {said['rows']} rows, {said['rejected']} left out"
            run.progress(min(1.0, float(said["share"])), note)
        elif said["type"] == "error":
            raise _KINDS.get(said["code"], Unavailable)(said["detail"], field=said.get("field"), hint=said.get("hint"))
        else:
            result = said
    if result is None:
        raise Unavailable("the data plane ended without a word", hint="see the job's log")
    return result


def _said(line: str) -> dict[str, Any] | None:
    """What the child told, None for any other line."""
    if not line.startswith('{"type":'):
        return None
    found: dict[str, Any] = json.loads(line)
    return found


def _keep(run: Run, out: Path) -> None:
    """Keep what says what was done, and the answers when they are few files."""
    files = sorted(p for p in out.glob("part-*") if p.is_file())
    rejects = sorted(out.glob("_rejects/*.jsonl"))
    for path in [*out.glob("_manifest.json"), *(files if len(files) <= MOST_FILES else []), *rejects[: MOST_FILES // 2]]:
        name = path.name.removeprefix("_")
        run.keep(f"rejects-{name}" if path in rejects else name, path)


def end_batch(platform: Platform, envelope: EventEnvelope) -> None:
    """A job has ended: if it was a batch's, note what became of it."""
    if envelope.payload["kind"] != JOB_KIND:
        return
    with platform.storage.reading() as tx:
        job = first(tx, JOBS, equals("organisation", envelope.organisation), equals("id", envelope.payload["job"]))
    if job is None or job.state.value not in ("done", "failed", "cancelled"):
        return  # it was queued again meanwhile
    state: Any = job.state.value
    command = RecordBatch(batch=str(job.payload["batch"]), state=state, result=job.result, error=job.error)
    _record(platform, envelope.organisation, command, envelope.id)


def _record(platform: Platform, organisation: str, command: RecordBatch, key: str) -> None:
    reason = "what became of the batch's job"
    platform.bus.handle(Request(command=command, actor=SYSTEM, organisation=organisation, reason=reason, idempotency_key=key))
