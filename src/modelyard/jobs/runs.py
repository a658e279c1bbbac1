"""What the body of a job works with.

    def train(platform: Platform, run: Run) -> dict[str, Any]:
        run.log("reading 3 files")
        for number, part in enumerate(parts):
            run.go_on()                                   # before anything is changed
            run.progress(number / len(parts), part.name)
        run.keep("model.onnx", folder / "model.onnx")
        return {"rows": 12}

Lines and progress are gathered and written by `beat`, which the worker calls every second or so beside the body.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from pathlib import Path

from modelyard.core.blobs import Blobs
from modelyard.core.errors import Busy, InvalidInput
from modelyard.jobs import artifacts
from modelyard.jobs.logs import GREATEST_CHUNK
from modelyard.jobs.model import Artifact, Job
from modelyard.jobs.queue import Queue

LONGEST_NOTE = 500
HEARTBEAT = 5.0


class Stopped(Exception):
    """The body ended early: its job was cancelled, timed out or given to another worker."""


class Run:
    """One attempt at a job. Safe to use from several threads."""

    def __init__(self, queue: Queue, job: Job, blobs: Blobs) -> None:
        self.job = job
        self.cancelling = False
        self.lost = False
        self._queue, self._blobs = queue, blobs
        self._lines: list[str] = []
        self._size = 0
        self._told: tuple[float, str | None] | None = None
        self._gathering, self._writing = threading.Lock(), threading.Lock()
        self.every = min(HEARTBEAT, queue.lease.total_seconds() / 6)
        self._last_beat = time.monotonic()

    def go_on(self) -> None:
        """Raises Stopped when the work is no longer wanted; to be asked before anything is changed."""
        if self.cancelling or self.lost:
            raise Stopped

    def log(self, line: str) -> None:
        """Add a line to the job's log; it is kept within a second or so. Raises Fenced when the job is another's by now."""
        with self._gathering:
            self._lines.append(line.removesuffix("\n") + "\n")
            self._size += len(line) + 1
            full = self._size >= GREATEST_CHUNK
        if full:
            self.flush()

    def flush(self) -> None:
        """Keep the lines so far. While the database is busy they stay for the next time. Raises Fenced."""
        with self._writing:
            with self._gathering:
                text, self._lines, self._size = "".join(self._lines), [], 0
            if not text:
                return
            try:
                self._queue.write_log(self.job, text)
            except Busy:
                with self._gathering:
                    self._lines.insert(0, text)
                    self._size += len(text)

    def progress(self, share: float, note: str | None = None) -> None:
        """Say how far it is, between 0 and 1, and at what. Raises InvalidInput for a share that is none."""
        if not 0 <= share <= 1:
            raise InvalidInput(f"{share!r} is no share between 0 and 1", field="progress")
        with self._gathering:
            before = None if self._told is None else self._told[1]
            self._told = (float(share), before if note is None else note[:LONGEST_NOTE])

    def keep(self, name: str, content: Path | bytes, media_type: str | None = None) -> Artifact:
        """Keep a file as an artifact of this attempt; its media type is guessed from the name where none is given. Raises
        InvalidInput for a name that is no plain file name, AlreadyExists for one used before in this attempt, and Fenced."""
        kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        artifacts.check(name, kind)
        if isinstance(content, bytes):
            blob = self._blobs.put(iter((content,)))
        else:
            with content.open("rb") as file:
                blob = self._blobs.put(file)
        return self._queue.keep(self.job, name, blob, kind)

    def beat(self) -> None:
        """Write what was logged, and keep the lease when it is time or the progress has changed. Raises Fenced and TimedOut."""
        self.flush()
        with self._gathering:
            told, self._told = self._told, None
        if told is None and time.monotonic() - self._last_beat < self.every:
            return
        share, note = told if told is not None else (None, None)
        kept = self._queue.heartbeat(self.job, share, note)
        self._last_beat = time.monotonic()
        self.cancelling = kept.cancelling
