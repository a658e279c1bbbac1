"""A model in a process of its own: questions take turns, crashes are held back, starting can go on in the background."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Any, NamedTuple, Self

from modelyard.core.errors import Busy, ModelyardError, Unavailable
from modelyard.kinds.contract import Batch, Explanation
from modelyard.kinds.sandbox.breaker import Breaker, State
from modelyard.kinds.sandbox.child import Child, Command, result
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.shim import wire
from modelyard.kinds.signature import Signature

Progress = Callable[[str], None]


class Launch(NamedTuple):
    """How a child is started: its command, the paths it may read, and what it is to load."""

    command: Command
    read: Sequence[Path]
    request: dict[str, Any]


class HostedPredictor:
    """A `Predictor` whose model lives in a child. Safe to call from several threads: requests take turns.

    A child that crashes fails the request it was answering; the next call starts another. When it crashes again and again,
    calls fail at once until a delay has passed (see `Breaker`); then one call tries, and its answer closes the breaker.

    `start` begins in the background; `ready`, `wait` and `progress` tell how far it is. Calls before it is ready wait.
    """

    signature: Signature

    def __init__(self, limits: Limits, now: Callable[[], float] = monotonic) -> None:
        self._limits = limits
        self._lock = Lock()
        self._child: Child | None = None
        self._breaker = Breaker(now)
        self._probing = self._closed = False
        self._starter: Thread | None = None
        self._progress = "not started"
        self.failure: ModelyardError | None = None
        self.missing: tuple[str, ...] = ()

    def _launch(self, say: Progress) -> Launch:
        """What to start; may take long, and tells what it does. Raises ModelyardError."""
        raise NotImplementedError

    def _loaded(self, told: Any) -> None:
        """Take in what the child tells of the model it has loaded. Raises ModelyardError."""
        raise NotImplementedError

    def predict(self, batch: Batch) -> Batch:
        """See `Predictor.predict`. Raises Unavailable when the child died, TimedOut when it did not answer."""
        return self._columns("predict", batch)

    def answer(self, conformed: Batch) -> Batch:
        """The same for a batch that fits the signature already: it is not checked again."""
        return self._columns("answer", conformed)

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """See `Predictor.explain`."""
        both = {f"b:{name}": column for name, column in batch.items()}
        both |= {f"g:{name}": column for name, column in (background or {}).items()}
        count = json.dumps({"rows_of": len(batch)})
        found, limits = self._ask(lambda number: wire.columns(number, "ask", "explain", both, count))
        return tuple(Explanation.model_validate(one) for one in result(found, limits))

    def start(self) -> Thread | None:
        """Begin to start in the background, unless it runs, is closed, or is held back after crashes. The thread that does so."""
        if self._child is not None or self._closed or self._breaker.state is State.OPEN:
            return None
        starter = self._starter
        if starter is None:
            starter = self._starter = Thread(target=self._begin, name="modelyard-start", daemon=True)
            starter.start()
        return starter

    def ready(self) -> bool:
        """Whether an answer would have to wait for nothing but its turn. Asking begins the start when it has not begun."""
        if self._child is None:
            self.start()
        return self._child is not None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is ready or has failed (then `failure` says why); False when neither came in time."""
        starter = self.start()
        if starter is not None:
            starter.join(timeout)
        return self._child is not None or starter is None or not starter.is_alive()

    @property
    def progress(self) -> str:
        """The last thing that was done towards being ready, for people."""
        return self._progress

    @property
    def state(self) -> State:
        """Of the breaker."""
        return self._breaker.state

    @property
    def crashes(self) -> int:
        """How often it crashed or could not be started, ever."""
        return self._breaker.total

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        child = self._child
        return None if child is None else child.pid

    @property
    def memory(self) -> int | None:
        """Bytes that the child holds in memory, None while there is none."""
        child = self._child
        return None if child is None else child.memory

    def status(self) -> dict[str, Any]:
        """Plain facts for `/status`."""
        failure = self.failure
        return {
            "ready": self._child is not None, "state": str(self.state), "progress": self._progress, "crashes": self.crashes,
            "pid": self.pid, "memory": self.memory, "unenforced": list(self.missing),
            "failure": None if failure is None else str(failure),
        }  # fmt: skip

    def close(self) -> None:
        """End the child; calls after this raise Unavailable. Safe to call again. Waits for nothing: whoever is starting the child
        or asking it now ends it afterwards."""
        self._closed = True
        self._let_go_if_free()

    def stop(self) -> None:
        """As `close`, but whoever asks the child now does not get to hear its answer. Safe to call again."""
        self._closed = True
        child = self._child
        if child is not None:
            child.stop("nobody waits for its answers any more")
        self._let_go_if_free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _columns(self, what: str, batch: Batch) -> Batch:
        found, limits = self._ask(lambda number: wire.columns(number, "ask", what, batch))
        if "error" in found.header or "answer" not in found.header:
            result(found, limits)
        return found.columns

    def _ask(self, framed: Callable[[int], bytes]) -> tuple[wire.Message, Limits]:
        self._take_turn()
        try:
            child = self._running()
            try:
                answer = child.ask(framed(child.number()))
            except (OSError, EOFError) as error:
                raise self._crashed(child, error) from error
            except ModelyardError:
                raise
            except BaseException:
                # Interrupted between question and answer: the answer would be taken for that of the next question.
                self._drop()
                raise
            self._breaker.succeeded()
            return answer, self._limits
        finally:
            self._probing = False
            self._leave()

    def _leave(self) -> None:
        """Release the lock; `close` may have come while it was held."""
        self._lock.release()
        if self._closed:
            self._let_go_if_free()

    def _let_go_if_free(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _let_go(self) -> None:
        """End the child, under the lock."""
        self._drop()

    def _take_turn(self) -> None:
        """Hold the lock. Raises Unavailable at once while another call tries a model that has crashed."""
        if self._lock.acquire(blocking=False):
            return
        if self._probing:
            raise Unavailable(f"{self._breaker.why()}; it is being tried again now", hint="try again in a second")
        if not self._lock.acquire(timeout=self._limits.wall_seconds):
            if self._child is None:
                raise Unavailable(f"the model is still starting: {self._progress}", hint="try again in a few seconds")
            raise Busy(f"the model had no turn free for {self._limits.wall_seconds:g} seconds", hint="try again")

    def _running(self) -> Child:
        if self._child is None or self._breaker.state is not State.CLOSED:
            self._let_through()
        if self._child is None:
            self._start(self._say)
        if self._child is None:
            raise Unavailable("the model's process is not running")
        return self._child

    def _let_through(self) -> None:
        """Raises Unavailable when no call may try now."""
        if self._closed:
            raise Unavailable("the predictor is closed")
        wait = self._breaker.wait
        if wait > 0:
            why = f"{self._breaker.why()}; it is tried again in {wait:.1f} s"
            last = f"; last: {self.failure.detail}" if self.failure is not None else ""
            raise Unavailable(why + last, hint=f"try again in {max(1, round(wait))} s")
        self._probing = self._breaker.state is State.HALF_OPEN

    def _begin(self) -> None:
        """A start in the background: its failure is kept, and told to whoever asks next."""
        self._lock.acquire()
        try:
            if self._child is None and not self._closed and self._breaker.state is not State.OPEN:
                self._probing = self._breaker.state is State.HALF_OPEN
                self._start(self._say)
        except ModelyardError as error:
            self.failure = error
        finally:
            self._probing = False
            self._starter = None
            self._leave()

    def _start(self, say: Progress) -> None:
        """Start and load, under the lock. A failure is kept and counted, and raised."""
        try:
            self._child = self._opened(say)
        except ModelyardError as error:
            self.failure = error
            self._breaker.failed()
            say(f"failed: {error.detail}")
            raise
        self.failure = None
        say("ready")

    def _opened(self, say: Progress) -> Child:
        launch = self._launch(say)
        say("starting the model's process")
        try:
            child = Child(launch.command, self._limits, launch.read)
        except OSError as error:
            raise Unavailable(f"the model's process cannot be started: {error.strerror or error}") from error
        try:
            answer = self._asked_to_load(child, launch.request)
            self._loaded(result(answer, self._limits))
        except BaseException:
            child.end()
            raise
        return child

    def _asked_to_load(self, child: Child, request: dict[str, Any]) -> wire.Message:
        try:
            return child.ask(wire.plain(child.number(), {"ask": "load", **request}))
        except (OSError, EOFError) as error:
            raise child.reason(error) from error

    def _crashed(self, child: Child, error: Exception) -> ModelyardError:
        reason = child.reason(error)
        self._drop()
        self.failure = reason
        self._progress = f"stopped: {reason.detail}"
        self._breaker.failed()
        return reason

    def _drop(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _say(self, line: str) -> None:
        self._progress = line
