"""A model in a process and environment of its own: whatever it does, its neighbour answers on, and the caller is told."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from kinds_foreign import CODE, DOUBLING, SIGNATURE, foreign, limits, rows

from modelyard.core.errors import InvalidArtifact, InvalidInput, ModelyardError, TimedOut, Unavailable, Untrusted
from modelyard.kinds.contract import Policy, Predictor
from modelyard.kinds.environments import Environments
from modelyard.kinds.sandbox import ForeignPredictor
from modelyard.kinds.signature import DataType, FieldSpec, Signature

Write = Callable[[str], Path]


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"))


@pytest.fixture(scope="module")
def neighbour(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignPredictor]:
    """An honest model that lives through all of it."""
    (path := tmp_path_factory.mktemp("neighbour") / "model.py").write_text(DOUBLING)
    with foreign(environments, path) as predictor:
        assert predictor.wait(60)
        pid = predictor.pid
        yield predictor
        assert (predictor.pid, predictor.crashes) == (pid, 0)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(body: str) -> Path:
        """A model whose `predict` does what is said when it is asked 13, and doubles otherwise."""
        text = "import os, signal, socket, sys, time, threading, ctypes\n\ndef load(path):\n    return 2.0\n\n"
        text += "def predict(model, batch):\n"
        text += "    if batch['a'][0] == 13:\n" + "".join(f"        {line}\n" for line in body.splitlines())
        text += "    return {'prediction': [value * model for value in batch['a']]}\n"
        (path := tmp_path / "model.py").write_text(text)
        return path

    return make


def test_it_answers_and_is_a_predictor(neighbour: ForeignPredictor) -> None:
    assert isinstance(neighbour, Predictor)
    np.testing.assert_array_equal(neighbour.predict(rows(1, 2.5))["prediction"], [2, 5])
    found = neighbour.status()
    assert (found["ready"], found["state"], found["progress"], found["crashes"]) == (True, "closed", "ready", 0)
    assert found["pid"] == neighbour.pid
    assert found["memory"] > 1 << 20
    assert found["unenforced"] == []


def test_bad_input_is_told_before_it_is_sent(neighbour: ForeignPredictor) -> None:
    with pytest.raises(InvalidInput, match="unknown field") as caught:
        neighbour.predict({"b": np.array([1.0])})
    assert caught.value.field == "b"


MISDEEDS = [
    ("os.kill(os.getpid(), signal.SIGSEGV)", {}, Unavailable, "SIGSEGV"),
    ("ctypes.string_at(0)", {}, Unavailable, "SIGSEGV"),
    ("os._exit(0)", {}, Unavailable, "status 0"),
    ("time.sleep(60)", {"wall_seconds": 0.5}, TimedOut, "within 0.5 seconds"),
    ("while True: pass", {"wall_seconds": 0.5}, TimedOut, "within 0.5 seconds"),
    ("held = []\nwhile True: held.append(bytearray(1 << 24))", {}, InvalidArtifact, "1024 MB of memory"),
    ("while True: os.fork()", {}, InvalidArtifact, "BlockingIOError"),
    ("while True: threading.Thread(target=time.sleep, args=(60,)).start()", {"memory_bytes": 256 << 20}, InvalidArtifact,
     "new thread|memory"),
    ("for fd in range(3, 4096):\n    try: os.close(fd)\n    except OSError: pass", {}, Unavailable, "ended|died"),
    ("socket.create_connection(('127.0.0.1', PORT))", {}, InvalidArtifact, "PermissionError"),
    ("socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')", {}, InvalidArtifact, "PermissionError"),
    ("open('big', 'wb').write(bytes(2 << 20))", {"file_bytes": 1 << 20}, InvalidArtifact, "File too large"),
    ("open('/tmp/outside', 'w')", {}, InvalidArtifact, "PermissionError"),
    ("open(os.path.expanduser('~root/.profile'))", {}, InvalidArtifact, "PermissionError|FileNotFound"),
    ("os.kill(os.getppid(), 0)", {}, InvalidArtifact, "PermissionError"),
    ("open(f'/proc/{os.getppid()}/environ').read()", {}, InvalidArtifact, "PermissionError"),
    ("os.execv(sys.executable, [sys.executable, '-c', ''])", {}, Unavailable, "status 0"),
    ("raise KeyError('nothing')", {}, InvalidArtifact, "KeyError: 'nothing'"),
    ("return {'prediction': [1.0, 2.0, 3.0]}", {}, Unavailable, r"the shape \(3,\) for 1 rows"),
    ("return {'other': ['x']}", {}, InvalidArtifact, "could not convert|cannot come"),
    ("return None", {}, InvalidArtifact, "NoneType"),
]  # fmt: skip

LONGER = {body for number, (body, *_) in enumerate(MISDEEDS) if number in {1, 4, 7, 16, 17, 20}}
"""Those that say again what another says; with the rest they take twenty seconds."""


@pytest.mark.parametrize(
    ("body", "bounds", "error", "words"),
    [pytest.param(*one, id=one[0][:40], marks=[pytest.mark.slow] if one[0] in LONGER else []) for one in MISDEEDS],
)
def test_a_misdeed_is_told_and_the_neighbour_answers(
    body: str, bounds: dict[str, float], error: type[ModelyardError], words: str,
    environments: Environments, neighbour: ForeignPredictor, write: Write,
) -> None:  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = write(body.replace("PORT", str(server.getsockname()[1])))
        with foreign(environments, path, limits=limits(**bounds)) as bad:
            assert bad.predict(rows(1))["prediction"] == [2]
            with pytest.raises(error, match=words):
                bad.predict(rows(13))
            assert neighbour.predict(rows(4))["prediction"] == [8]
            assert bad.predict(rows(3))["prediction"] == [6]  # the next call starts it again where it died


@pytest.mark.slow
def test_a_flood_on_stderr_is_not_listened_to_and_the_end_is_kept(environments: Environments, write: Write) -> None:
    path = write("for _ in range(64): os.write(2, b'x' * 65536)\nos.write(2, b'the last words')\nos.abort()")
    with foreign(environments, path, limits=limits(wall_seconds=60.0)) as bad, pytest.raises(Unavailable, match="the last words"):
        bad.predict(rows(13))


@pytest.mark.parametrize(
    "forged",
    [
        "b'rubbish' * 100",
        "wire.plain(999, {'answer': 'columns'})",  # an answer to no question of ours
        "wire.columns(2, 'answer', 'columns', {'prediction': [1.0]}) * 2",  # one answer too many
        "wire.frame(2, b'{')",
        "wire.frame(2, b'[' * 100000)",
        "wire.PREFIX.pack(wire.MAGIC, 2, 10, 1 << 31)",
        'wire.frame(2, b\'{"answer": 1, "columns": [["prediction", "<f8", [1000000000000]]]}\')',
        'wire.frame(2, b\'{"answer": 1, "columns": [["prediction", "|O", [1]]]}\', [bytes(8)])',
    ],
)
def test_forged_frames_are_never_taken_for_answers(forged: str, environments: Environments, write: Write) -> None:
    """The model finds the socket among its descriptors and writes on it itself; late and doubled frames among them."""
    body = f"""
wire = sys.modules['_modelyard_shim.wire']
for fd in range(3, 4096):
    try:
        if os.readlink('/proc/self/fd/%d' % fd).startswith('socket:'): os.write(fd, {forged})
    except OSError: pass
os._exit(0)
"""
    with foreign(environments, write(body)) as bad:
        assert bad.predict(rows(1))["prediction"] == [2]
        with pytest.raises(Unavailable, match=r"process was stopped|process died|no proper answer|signature"):
            bad.predict(rows(13))
        np.testing.assert_array_equal(bad.predict(rows(5))["prediction"], [10])


def test_what_it_keeps_on_the_disk_is_bounded(environments: Environments, write: Write) -> None:
    """Many files, each small enough: looked at every second, here by one long answer."""
    body = "for i in range(100000):\n    open('file%d' % i, 'wb').write(bytes(1 << 20))\n    time.sleep(0.01)"
    bounds = limits(disk_bytes=8 << 20, wall_seconds=30.0)
    with foreign(environments, write(body), limits=bounds) as bad, pytest.raises(Unavailable, match="more than the 8 MB allowed"):
        bad.predict(rows(13))


@pytest.mark.slow
def test_what_it_burns_while_nobody_asks_is_bounded(environments: Environments, write: Write) -> None:
    body = "threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()"
    with foreign(environments, write(body), limits=limits(idle_cpu_seconds=0.3)) as bad:
        bad.predict(rows(13))
        child = os.pidfd_open(bad.pid)
        assert _ends(child)
        with pytest.raises(Unavailable, match="while nobody asked it"):
            bad.predict(rows(1))


def _ends(pidfd: int) -> bool:
    import select

    with os.fdopen(pidfd):
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(20_000))


def test_the_breaker_opens_lets_one_through_and_closes(environments: Environments, write: Write) -> None:
    time = Time()
    with foreign(environments, write("os._exit(1)"), now=time) as bad:
        assert str(bad.state) == "closed"
        for _ in range(2):
            with pytest.raises(Unavailable, match="died while answering"):
                bad.predict(rows(13))
        assert str(bad.state) == "open"
        with pytest.raises(Unavailable, match=r"crashed 2 times in a row; it is tried again in 0\.5 s") as caught:
            bad.predict(rows(1))
        assert caught.value.hint == "try again in 1 s"
        assert not bad.ready()
        time.now += 0.6
        assert str(bad.state) == "half-open"
        with pytest.raises(Unavailable, match="died while answering"):
            bad.predict(rows(13))
        with pytest.raises(Unavailable, match=r"tried again in 1\.0 s"):
            bad.predict(rows(1))
        time.now += 1.1
        assert bad.predict(rows(1))["prediction"] == [2]
        assert (str(bad.state), bad.crashes) == ("closed", 3)


@pytest.mark.slow
def test_failures_among_answers_open_it_too(environments: Environments, write: Write) -> None:
    with foreign(environments, write("os._exit(1)"), now=Time()) as bad:
        for _ in range(5):
            assert bad.predict(rows(1))["prediction"] == [2]
            with pytest.raises(Unavailable, match="died"):
                bad.predict(rows(13))
        with pytest.raises(Unavailable, match="crashed 5 times within 60 seconds"):
            bad.predict(rows(1))


def test_while_one_call_tries_others_fail_at_once(environments: Environments, tmp_path: Path) -> None:
    """The probe is held up in its environment's build; the other call does not queue behind it."""
    (path := tmp_path / "model.py").write_text(DOUBLING)
    time, gate, building = Time(), threading.Event(), threading.Event()

    class Slow(Environments):
        def get(self, lock: bytes, python: str = "", say: Callable[[str], None] = print):  # type: ignore[no-untyped-def]
            if time.now:
                building.set()
                assert gate.wait(30)
            return environments.get(lock, python, say)

    with foreign(Slow(environments._home), path, now=time) as bad:
        for _ in range(2):
            bad.wait(60)
            assert bad._child is not None
            bad._child.end()
            with pytest.raises(Unavailable):
                bad.predict(rows(1))
        time.now = 1.0
        bad.start()
        assert building.wait(30)
        with pytest.raises(Unavailable, match="being tried again now"):
            bad.predict(rows(1))
        gate.set()
        assert bad.wait(60)
        assert bad.predict(rows(1))["prediction"] == [2]


def test_closing_does_not_wait_for_a_start(environments: Environments, tmp_path: Path) -> None:
    """An environment may take minutes to build; whoever builds it lets go of everything in the end."""
    (path := tmp_path / "model.py").write_text(DOUBLING)
    gate, building = threading.Event(), threading.Event()

    class Slow(Environments):
        def get(self, lock: bytes, python: str = "", say: Callable[[str], None] = print):  # type: ignore[no-untyped-def]
            building.set()
            assert gate.wait(30)
            return environments.get(lock, python, say)

    predictor = foreign(Slow(environments._home), path)
    starter = predictor.start()
    assert starter is not None
    assert building.wait(30)
    predictor.close()
    gate.set()
    starter.join(60)
    assert predictor.pid is None
    with pytest.raises(Unavailable, match="closed"):
        predictor.predict(rows(1))


def test_who_takes_its_question_by_drops_is_stopped(environments: Environments, write: Write) -> None:
    """It reads the socket itself, a little now and then: the kernel's time-out would begin anew with each piece."""
    body = """
def sip():
    for fd in range(3, 4096):
        try:
            if os.readlink('/proc/self/fd/%d' % fd).startswith('socket:'):
                while True:
                    os.read(fd, 4096)
                    time.sleep(0.05)
        except OSError: pass
threading.Thread(target=sip, daemon=True).start()
import _thread; time.sleep(0.3)
"""
    with foreign(environments, write(body), limits=limits(wall_seconds=1.0)) as bad:
        bad.predict(rows(13))
        started = monotonic()
        with pytest.raises((Unavailable, TimedOut)):
            bad.predict(rows(*range(4_000_000)))
        assert monotonic() - started < 15


def test_a_start_that_fails_is_told_to_whoever_asks(environments: Environments, tmp_path: Path) -> None:
    (path := tmp_path / "model.py").write_text("def load(path): raise OSError('the sea is too rough')\ndef predict(m, b): ...\n")
    with foreign(environments, path, now=Time()) as bad:
        bad.start()
        assert bad.wait(60)
        assert not bad.status()["ready"]
        assert bad.failure is not None
        assert "the sea is too rough" in bad.progress
        with pytest.raises(InvalidArtifact, match="the sea is too rough"):
            bad.predict(rows(1))


def test_code_is_loaded_only_where_policy_allows(environments: Environments, tmp_path: Path) -> None:
    (path := tmp_path / "model.py").write_text(DOUBLING)
    with foreign(environments, path, policy=Policy()) as refused, pytest.raises(Untrusted, match="policy forbids"):
        refused.predict(rows(1))


def test_outputs_must_be_declared(environments: Environments, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="declares its outputs"):
        foreign(environments, tmp_path, signature=SIGNATURE.model_copy(update={"outputs": ()}))


def test_the_network_is_there_when_it_is_granted(environments: Environments, write: Write) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = write(f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]})).sendall(b'hello')")
        with foreign(environments, path, limits=limits(network=True)) as granted:
            assert granted.predict(rows(13))["prediction"] == [26]
        connection, _ = server.accept()
        with connection:
            assert connection.recv(16) == b"hello"


def test_it_dies_with_its_parent(environments: Environments, neighbour: ForeignPredictor, tmp_path: Path) -> None:
    """A parent that is killed cannot tell its child, which here is busy for ever: the kernel does."""
    import select
    import signal
    import subprocess
    import sys

    (path := tmp_path / "model.py").write_text(
        "def load(path): return 1\ndef predict(m, b):\n    while True: pass\n"
    )  # fmt: skip
    code = f"""
import sys, threading
sys.path[:0] = {sys.path!r}
from pathlib import Path
from kinds_foreign import foreign, rows
from modelyard.kinds.environments import Environments
bad = foreign(Environments(Path({str(environments._home)!r})), Path({str(path)!r}))
assert bad.wait(60)
threading.Thread(target=bad.predict, args=(rows(1),), daemon=True).start()
print(bad.pid, flush=True)
threading.Event().wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    try:
        parent.send_signal(signal.SIGKILL)
        parent.wait(20)
        poller = select.poll()
        poller.register(child, select.POLLIN)
        assert poller.poll(20_000)
    finally:
        parent.stdout.close()
        os.close(child)


TEXTS = Signature(
    inputs=(FieldSpec(name="t", type=DataType.BYTES, nullable=True), FieldSpec(name="v", type=DataType.FP32, shape=(3,))),
    outputs=(FieldSpec(name="s", type=DataType.BYTES), FieldSpec(name="w", type=DataType.FP32, shape=(3,)),
             FieldSpec(name="n", type=DataType.BOOL)),
)  # fmt: skip


def test_text_vectors_and_nulls_travel_whole(environments: Environments, tmp_path: Path) -> None:
    (path := tmp_path / "model.py").write_text(
        "def load(path): return None\n"
        "def predict(m, b): return {'s': [str(t)[::-1] for t in b['t']], 'w': b['v'], 'n': [t is None for t in b['t']]}\n"
        "def explain(m, b): return [{'method': 'mirror', 'text': 'seen in it', 'attributions': []} for _ in b['t']]\n"
    )
    batch = {"t": np.array(["añb\u20ac", None, ""], dtype=object), "v": np.arange(9, dtype="float32").reshape(3, 3)}
    with foreign(environments, path, signature=TEXTS) as predictor:
        found = predictor.predict(batch)
        assert list(found["s"]) == ["\u20acbña", "enoN", ""]
        np.testing.assert_array_equal(found["w"], batch["v"])
        assert list(found["n"]) == [False, True, False]
        assert [e.text for e in predictor.explain(batch)] == ["seen in it"] * 3


def test_large_batches_travel_whole(neighbour: ForeignPredictor) -> None:
    values = np.random.default_rng(3).normal(size=300_000)
    np.testing.assert_array_equal(neighbour.predict({"a": values})["prediction"], values * 2)


def test_threads_take_turns(neighbour: ForeignPredictor) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: neighbour.predict(rows(n))["prediction"][0], range(80)))
    assert found == [2 * n for n in range(80)]


def test_closing_ends_it(environments: Environments, tmp_path: Path) -> None:
    (path := tmp_path / "model.py").write_text(DOUBLING)
    predictor = foreign(environments, path, policy=CODE)
    assert predictor.predict(rows(1))["prediction"] == [2]
    child = os.pidfd_open(predictor.pid)
    predictor.close()
    predictor.close()
    assert _ends(child)
    with pytest.raises(Unavailable, match="closed"):
        predictor.predict(rows(1))
