"""One operation in a child process, its result or a clear error."""

from __future__ import annotations

import errno
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from modelyard.core.errors import InvalidArtifact, StorageFull, TimedOut, Unavailable
from modelyard.kinds import infer
from modelyard.kinds.contract import Batch, CheckResult, Inspection, Policy, Translation
from modelyard.kinds.sandbox import frames, process
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.signature import Signature

_MAX_RESULT = 64 << 20
_STDERR_KEPT = 4096


class Operation(StrEnum):
    """What a child can be asked to do."""

    INSPECT = "inspect"
    CHECK = "check"
    TRANSLATE = "translate"
    EVALUATE = "evaluate"
    OBSERVE = "observe"


class CheckReport(BaseModel):
    """What loading and checking an artifact found; `signature` is complete."""

    model_config = ConfigDict(frozen=True)

    inspection: Inspection
    signature: Signature
    checks: tuple[CheckResult, ...]


def inspect_isolated(
    artifact: Path, policy: Policy | None = None, *, kind: str | None = None, limits: Limits | None = None
) -> Inspection:
    """`inspect` of one kind, or of whichever kind knows the artifact, in a child."""
    return Inspection.model_validate(run_isolated(Operation.INSPECT, artifact, policy, kind=kind, limits=limits))


def check_isolated(
    artifact: Path,
    sample: Batch | Path,
    signature: Signature | None = None,
    policy: Policy | None = None,
    *,
    kind: str | None = None,
    limits: Limits | None = None,
) -> CheckReport:
    """Load the artifact in a child and run its kind's checks on a sample of inputs.

    Without a signature the artifact's own is taken, or else what the sample shows.
    """
    found = run_isolated(Operation.CHECK, artifact, policy, kind=kind, signature=signature, sample=sample, limits=limits)
    return CheckReport.model_validate(found)


def translate_isolated(
    artifact: Path,
    signature: Signature,
    sample: Batch | Path,
    into: Path,
    policy: Policy | None = None,
    *,
    kind: str | None = None,
    limits: Limits | None = None,
) -> Translation | None:
    """`translate` in a child; see `Kind.translate`. Look at `Translation.refused` before using it."""
    found = run_isolated(
        Operation.TRANSLATE, artifact, policy, kind=kind, signature=signature, sample=sample, output=into, limits=limits
    )
    return None if found is None else Translation.model_validate(found)


def evaluate_isolated(
    artifact: Path,
    signature: Signature,
    batch: Batch | Path,
    policy: Policy | None = None,
    *,
    kind: str | None = None,
    limits: Limits | None = None,
) -> Batch:
    """The artifact's answers to a batch, or to the input columns of a table on disk."""
    with tempfile.TemporaryDirectory(prefix="modelyard-answers-") as folder:
        output = Path(folder) / "answers.arrow"
        run_isolated(
            Operation.EVALUATE, artifact, policy, kind=kind, signature=signature, sample=batch, output=output, limits=limits
        )
        return infer.decode(infer.read(output))


def observe_isolated(
    artifact: Path,
    signature: Signature,
    batch: Batch | Path,
    policy: Policy | None = None,
    *,
    kind: str | None = None,
    limits: Limits | None = None,
) -> Batch:
    """What happens on the way to the answers, see `Observing`; the kind declares OBSERVE. Empty when there is nothing to see."""
    with tempfile.TemporaryDirectory(prefix="modelyard-observed-") as folder:
        output = Path(folder) / "observed.arrow"
        found = run_isolated(
            Operation.OBSERVE, artifact, policy, kind=kind, signature=signature, sample=batch, output=output, limits=limits
        )
        return _categories(infer.read(output)) if found["columns"] else {}


def _categories(table: pa.Table) -> Batch:
    """Columns of text; one without any value has no type of its own on disk."""
    found: Batch = {}
    for name in table.column_names:
        column = np.empty(table.num_rows, dtype=object)
        column[:] = table[name].to_pylist()
        found[name] = column
    return found


def run_isolated(
    operation: Operation,
    artifact: Path,
    policy: Policy | None = None,
    *,
    kind: str | None = None,
    signature: Signature | None = None,
    sample: Batch | Path | None = None,
    output: Path | None = None,
    limits: Limits | None = None,
) -> Any:
    """The plain result of an operation run in a child.

    Raises what the kind raised; TimedOut when processor or wall time ran out; InvalidArtifact when the child died otherwise,
    saying of which signal or limit. Nothing of the child or its files is left behind, except what it wrote to `output`.
    """
    limits = limits or Limits()
    with _private() as private:
        request: dict[str, Any] = {
            "operation": operation.value,
            "artifact": str(artifact.absolute()),
            "policy": (policy or Policy()).model_dump(mode="json"),
            "kind": kind,
            "signature": None if signature is None else signature.model_dump(mode="json"),
            "sample": _sample(sample, private),
            "output": None if output is None else str(output.absolute()),
        }
        reads = [Path(path) for path in (request["artifact"], request["sample"]) if path]
        terms = process.terms(limits, private, reads, [] if output is None else [_existing(output.absolute())])
        answer = _run(request, private, limits, terms)
    if "error" in answer:
        raise process.memory_error(limits) if answer["error"]["code"] == "memory" else frames.to_error(answer["error"])
    return answer["result"]


@contextmanager
def _private() -> Iterator[Path]:
    """A folder that goes with the child. Raises StorageFull or Unavailable when it cannot be made or written to."""
    try:
        with tempfile.TemporaryDirectory(prefix="modelyard-sandbox-") as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("there is no room for temporary files") from error
        raise Unavailable(f"no child process can be given its work: {error.strerror or error}") from error


def _sample(sample: Batch | Path | None, private: Path) -> str | None:
    if sample is None:
        return None
    if isinstance(sample, Path):
        return str(sample.absolute())
    path = private / "sample.arrow"
    table = infer.encode(sample)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return str(path)


def _existing(path: Path) -> Path:
    """The folder to write below: the nearest that is there."""
    return next((parent for parent in path.parents if parent.is_dir()), path.parent)


def _run(request: dict[str, Any], private: Path, limits: Limits, terms: dict[str, Any]) -> dict[str, Any]:
    asked = private / "request"
    asked.write_bytes(msgspec.msgpack.encode(request))
    with ExitStack() as pipes:
        reading, writing = _pipe(pipes)
        theirs, _ = _pipe(pipes)  # the other end stays ours: the child dies when it closes
        told = json.dumps(terms | {"result": writing.fileno(), "lifeline": theirs.fileno()})
        command = [sys.executable, "-I", "-m", "modelyard.kinds.sandbox", "--result", told]
        with asked.open("rb") as stdin:
            child = process.start(command, private, (writing.fileno(), theirs.fileno()), stdin)
        writing.close()
        theirs.close()
        try:
            return _answer(child, reading.fileno(), limits)
        finally:
            process.end(child)


def _pipe(pipes: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    return (
        pipes.enter_context(os.fdopen(reading, "rb", buffering=0)),
        pipes.enter_context(os.fdopen(writing, "wb", buffering=0)),
    )


def _answer(child: subprocess.Popen[bytes], result: int, limits: Limits) -> dict[str, Any]:
    body, stderr, in_time = _listen(child, result, limits)
    if not in_time:
        process.end(child)
        raise TimedOut(f"the work took more than {limits.wall_seconds:g} seconds and was stopped", field="artifact")
    try:
        answer = frames.unpack(BytesIO(body).read)
    except EOFError:
        raise process.death(process.ended(child), limits, stderr) from None
    if not isinstance(answer, dict) or not {"result", "error"} & set(answer):
        raise InvalidArtifact("the process that read the artifact gave no proper answer", field="artifact")
    return answer


def _listen(child: subprocess.Popen[bytes], result: int, limits: Limits) -> tuple[bytes, str, bool]:
    """Everything on the result pipe, the end of stderr, and whether the result's end came in time."""
    if child.stderr is None:
        raise RuntimeError("the child was started without a pipe for stderr")
    errors = child.stderr.fileno()
    deadline = monotonic() + limits.wall_seconds
    body, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(result, selectors.EVENT_READ)
        selector.register(errors, selectors.EVENT_READ)
        while result in selector.get_map():
            ready = selector.select(max(0.0, deadline - monotonic()))
            if not ready and monotonic() >= deadline:
                return bytes(body), stderr.decode(errors="replace"), False
            for key, _ in ready:
                part = os.read(key.fd, 1 << 16)
                if not part:
                    selector.unregister(key.fd)
                elif key.fd == errors:
                    stderr = (stderr + part)[-_STDERR_KEPT:]
                else:
                    body += part
                    if len(body) > _MAX_RESULT:
                        raise InvalidArtifact("the answer of the process is impossibly large", field="artifact")
    return bytes(body), _rest(child, stderr), True


def _rest(child: subprocess.Popen[bytes], stderr: bytearray) -> str:
    """What is left on stderr after the result has ended, without waiting for more."""
    if child.stderr is not None:
        os.set_blocking(child.stderr.fileno(), False)
        stderr += child.stderr.read() or b""
    return stderr[-_STDERR_KEPT:].decode(errors="replace")
