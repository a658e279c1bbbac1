"""A model kept loaded in a child process: what is not ONNX is served from here, so that its crash is not ours."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Any

from modelyard.core.errors import ModelyardError, TimedOut, Unavailable
from modelyard.kinds.contract import Batch, Explanation, Policy
from modelyard.kinds.sandbox import frames, process
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.signature import Signature

SERVING = Limits(cpu_seconds=None, wall_seconds=60.0)
_FIRST_DELAY = 0.5
_MOST_DELAY = 30.0


class NativePredictor:
    """A `Predictor` whose model lives in a child. Safe to call from several threads: requests take turns.

    A child that crashes fails the request it was answering; the next call starts another. After the second crash in a row
    calls fail at once until a delay has passed, which doubles up to half a minute; an answer resets it.
    """

    signature: Signature

    def __init__(
        self,
        artifact: Path,
        signature: Signature | None = None,
        policy: Policy | None = None,
        *,
        kind: str | None = None,
        limits: Limits = SERVING,
        python: Path | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Start the child and load. Raises what loading raises; `python` is the interpreter of the model's environment."""
        self._request = {
            "operation": "serve",
            "artifact": str(artifact.absolute()),
            "policy": (policy or Policy()).model_dump(mode="json"),
            "kind": kind,
            "signature": None if signature is None else signature.model_dump(mode="json"),
            "sample": None,
            "output": None,
            "limits": limits.model_dump(mode="json"),
        }
        self._limits, self._python, self._now = limits, python, now
        self._lock = Lock()
        self._child: _Child | None = None
        self._crashes, self._not_before, self._closed = 0, 0.0, False
        with self._lock:
            self.signature = self._start()

    def predict(self, batch: Batch) -> Batch:
        """See `Predictor.predict`. Raises Unavailable when the child died, TimedOut when it did not answer."""
        return frames.to_batch(self._ask({"operation": "predict", "batch": frames.from_batch(batch)}))

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """See `Predictor.explain`."""
        usual = None if background is None else frames.from_batch(background)
        found = self._ask({"operation": "explain", "batch": frames.from_batch(batch), "background": usual})
        return tuple(Explanation.model_validate(one) for one in found)

    def close(self) -> None:
        """End the child; calls after this raise Unavailable. Safe to call again."""
        with self._lock:
            self._closed = True
            self._drop()

    def __enter__(self) -> NativePredictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        child = self._child
        return None if child is None else child.pid

    def _ask(self, message: dict[str, Any]) -> Any:
        framed = frames.pack(message)
        with self._lock:
            child = self._running()
            try:
                answer = child.ask(framed)
            except (OSError, EOFError) as error:
                raise self._crashed(child, error) from error
            except BaseException:
                # Interrupted between question and answer: the answer would be taken for that of the next question.
                self._drop()
                raise
            self._crashes = 0
        return _result(answer, self._limits)

    def _running(self) -> _Child:
        if self._closed:
            raise Unavailable("the predictor is closed")
        if self._child is None:
            wait = self._not_before - self._now()
            if wait > 0:
                raise Unavailable(f"the model crashed {self._crashes} times in a row; it is tried again in {wait:.1f} s")
            self._start()
        if self._child is None:
            raise Unavailable("the model's process is not running")
        return self._child

    def _start(self) -> Signature:
        child = _Child(self._limits, self._python)
        try:
            answer = child.ask(frames.pack(self._request))
        except (OSError, EOFError) as error:
            self._child = child
            raise self._crashed(child, error) from error
        try:
            loaded = Signature.model_validate(_result(answer, self._limits)["signature"])
        except ModelyardError:
            child.end()
            raise
        self._child = child
        return loaded

    def _crashed(self, child: _Child, error: Exception) -> ModelyardError:
        reason = _reason(child, error, self._limits)
        self._drop()
        self._crashes += 1
        delay = 0.0 if self._crashes < 2 else min(_FIRST_DELAY * 2 ** (self._crashes - 2), _MOST_DELAY)
        self._not_before = self._now() + delay
        return reason

    def _drop(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """One child process and the socket to it."""

    def __init__(self, limits: Limits, python: Path | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="modelyard-native-")
        ours, theirs = socket.socketpair()
        with theirs:
            arguments, private = [f"--serve={theirs.fileno()}"], Path(self._folder.name)
            self._process: subprocess.Popen[bytes] = process.start(arguments, private, (theirs.fileno(),), None, python)
        self._socket = ours
        self._socket.settimeout(limits.wall_seconds)
        self._stream = self._socket.makefile("rb")
        self._stderr = bytearray()
        self._listener = Thread(target=self._listen, name="modelyard-native-stderr", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, framed: bytes) -> Any:
        """Send a frame and wait for the answer. Raises OSError or EOFError when the child is gone, TimeoutError when late."""
        self._socket.sendall(framed)
        return frames.unpack(self._stream.read1)

    def ended(self) -> tuple[int | None, str]:
        """How it ended and its last words."""
        code = process.ended(self._process)
        self._listener.join(timeout=1)
        return code, self._stderr.decode(errors="replace")

    def end(self) -> None:
        with suppress(OSError):
            self._stream.close()
        self._socket.close()
        process.end(self._process)
        self._folder.cleanup()

    def _listen(self) -> None:
        """Keep the end of stderr, so that the child never blocks on it."""
        if self._process.stderr is None:
            return
        with suppress(OSError, ValueError):  # closed under us by `end`
            while part := self._process.stderr.read1(1 << 16):  # type: ignore[attr-defined]
                self._stderr = (self._stderr + part)[-4096:]


def _reason(child: _Child, error: Exception, limits: Limits) -> ModelyardError:
    if isinstance(error, TimeoutError):
        return TimedOut(f"the model did not answer within {limits.wall_seconds:g} seconds; its process was stopped")
    code, stderr = child.ended()
    told = process.death(code, limits, stderr)
    return Unavailable(f"the model's process died while answering: {told.detail}", hint="the next call starts it again")


def _result(answer: Any, limits: Limits) -> Any:
    if not isinstance(answer, dict) or not {"result", "error"} & set(answer):
        raise Unavailable("the model's process gave no proper answer")
    if "error" in answer:
        raise process.memory_error(limits) if answer["error"]["code"] == "memory" else frames.to_error(answer["error"])
    return answer["result"]
