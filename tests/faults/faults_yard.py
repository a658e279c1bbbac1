"""An installation whose programs are killed, people who work in it all the same, and the one who kills."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from modelyard.bootstrap import Platform, Settings, build
from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.client import Client
from modelyard.core.bus import Request
from modelyard.core.errors import ModelyardError, TimedOut, Unavailable, WrongState
from modelyard.core.messages import SYSTEM, Actor, Command
from modelyard.core.outbox import distribute
from modelyard.core.records import Query
from modelyard.core.transactions import in_transaction
from modelyard.delivery.commands import CreateEndpoint
from modelyard.evaluation.registration import Declared, Registration, prepare
from modelyard.governance import bootstrap_administrator, bootstrap_gates, bootstrap_keys
from modelyard.governance.assurance.commands import RecordEvidence
from modelyard.governance.assurance.model import EvidenceType
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken
from modelyard.governance.identity.model import IDENTITIES, Identity, Role
from modelyard.governance.identity.secrets import mint
from modelyard.lifecycle.commands import CancelInstance, PublishProcess, SendMessage, StartProcess
from modelyard.lifecycle.tasks.commands import ClaimTask, CompleteTask
from modelyard.lifecycle.tasks.model import Task
from tests.faults.faults_process import ENDPOINTS, USE_CASE, Wish, proposals
from tests.life.conftest import PROBABILITY, write_model, write_sample
from tests.processes.processes_yard import answers, free_port

T = TypeVar("T")
CAST = {
    "dana": Role.DEVELOPER,
    "dave": Role.DEVELOPER,
    "omar": Role.OPERATOR,
    "otto": Role.OPERATOR,
    "bea": Role.BUSINESS_OWNER,
    "bob": Role.BUSINESS_OWNER,
    "vera": Role.VALIDATOR,
    "vic": Role.VALIDATOR,
    "rita": Role.RISK_OFFICER,
    "ruth": Role.RISK_OFFICER,
}
PATIENCE = 180.0
"""Seconds for which somebody asks again before they say that the platform is gone."""


# --- what is there before anything breaks


@dataclass
class Founded:
    """An installation with people, life cycles and versions; its programs do not run yet."""

    settings: Settings
    tokens: dict[str, str]
    versions: list[tuple[str, str]]


def found(folder: Path, database: str, releases: int) -> Founded:
    """Made directly through the bus, as it is not what is tested."""
    settings = Settings(home=folder / "home", database=database, port=free_port(), runtime_port=free_port())
    platform = build(settings)
    try:
        bootstrap_keys(platform.bus, platform.storage, platform.keys)
        bootstrap_gates(platform.bus, platform.storage, settings.organisation)
        bootstrap_administrator(platform.bus, platform.storage, platform.clock.now())
        actors, tokens = _people(platform)
        for proposal in proposals():
            proposed = _do(platform, actors["omar"], proposal)
            _do(platform, actors["rita"], PublishProcess(definition=proposed.id))
        versions = _versions(platform, actors, folder, releases)
        _forget_what_happened(platform)
        return Founded(settings, tokens, versions)
    finally:
        platform.close()


def _forget_what_happened(platform: Platform) -> None:
    """The events so far go into the log of events; nobody is told of them."""
    while in_transaction(platform.storage, lambda tx: distribute(tx, (), platform.clock.now())):
        pass


def _do(platform: Platform, who: Actor, command: Command) -> Any:
    return platform.bus.handle(Request(command=command, actor=who, reason="before the campaign"))


def _people(platform: Platform) -> tuple[dict[str, Actor], dict[str, str]]:
    with platform.storage.reading() as tx:
        first = tx.find(IDENTITIES, Query(limit=1)).items[0]
    root = Actor(id=first.id, roles=frozenset({"administrator"}))
    actors, tokens = {}, {}
    for name, role in CAST.items():
        made = _do(platform, root, CreateIdentity(name=name, display_name=name.title()))
        assert isinstance(made, Identity)
        _do(platform, root, GrantRole(identity=made.id, role=role))
        minted, expires = mint(), platform.clock.now() + timedelta(days=1)
        _do(
            platform,
            root,
            IssueToken(identity=made.id, name="faults", key=minted.key, secret_digest=minted.digest, expires_at=expires),
        )
        actors[name], tokens[name] = Actor(id=made.id, roles=frozenset({role.value})), minted.text
    return actors, tokens


def _versions(platform: Platform, actors: dict[str, Actor], folder: Path, count: int) -> list[tuple[str, str]]:
    """Versions with all the evidence that the gate asks for. One is examined as registration does it; the others differ from it
    in their weights alone."""
    dana = actors["dana"]
    _do(platform, dana, RegisterUseCase(name=USE_CASE, tier="high"))
    _do(platform, dana, RegisterModel(name=f"{USE_CASE}-model", use_case=USE_CASE, kind="ml"))
    for number in range(ENDPOINTS):
        _do(platform, actors["omar"], CreateEndpoint(name=f"{USE_CASE}-{number}", use_case=USE_CASE))
    asked = Registration(
        model=f"{USE_CASE}-model",
        artifact=_blob(platform, write_model(folder / "model.onnx", (0.0, 1.0, 1.0))),
        filename="model.onnx",
        sample=_blob(platform, write_sample(folder / "sample.parquet")),
        signature=Declared(outputs=(PROBABILITY,)),
        translate=False,
    )
    like, _, _ = prepare(platform.desk, asked)
    made = []
    for number in range(count):
        digest = _blob(platform, write_model(folder / "model.onnx", (float(number), 1.0, 1.0)))
        artifact = like.artifact.model_copy(update={"digest": digest, "size": platform.blobs.size(digest)})
        version = _do(platform, dana, like.model_copy(update={"artifact": artifact}))
        for kind, metrics in EVIDENCE.items():
            _do(platform, SYSTEM, RecordEvidence(version=version.id, type=kind, metrics=metrics))
        made.append((version.id, f"{version.model}@{version.number}"))
    return made


EVIDENCE = {
    EvidenceType.SCAN: {"dangers": 0.0},
    EvidenceType.TEST_REPORT: {"checks": 4.0, "checks_failed": 0.0, "roc_auc": 0.8},
    EvidenceType.VALIDATION: {"challenged": 1.0},
}
"""What is known of every version before its release; a check job finds the first two anew."""


def _blob(platform: Platform, path: Path) -> str:
    return platform.blobs.put([path.read_bytes()]).digest


# --- programs


class Nursery:
    """Where programs come from; see `tests.faults.nursery`. Whatever it brought up ends with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process with threads forks badly
        command = [sys.executable, "-m", "tests.faults.nursery"]
        # In a session of its own: Ctrl-C is for the campaign, which closes it.
        self._process = subprocess.Popen(
            command, env=alone, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def ask(self, what: str, told: Any) -> Any:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({what: told}) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Program:
    """A process of the platform that can be killed and started again."""

    name: str
    asked: dict[str, Any]
    nursery: Nursery
    kills: int = 0
    pid: int = 0

    def start(self) -> None:
        self.pid = self.nursery.ask("bring up", self.asked)

    def kill(self) -> bool:
        """SIGKILL; says whether it still ran."""
        return bool(self.nursery.ask("bury", self.pid))


def programs(founded: Founded, nursery: Nursery, lease: float | None) -> list[Program]:
    """One API and two workers, on the environment that `modelyard up` gives them."""
    settings = founded.settings
    told = {"HOME": settings.home, "DATABASE": settings.database_url, "PORT": settings.port}
    environment = {f"MODELYARD_{name}": str(value) for name, value in told.items()}
    names = {"api": "modelyard.api", "worker-1": "modelyard.worker", "worker-2": "modelyard.worker"}

    def asked(name: str) -> dict[str, Any]:
        return {"program": names[name], "log": str(log_of(founded, name)), "environment": environment, "lease": lease}

    return [Program(name, asked(name), nursery) for name in names]


def log_of(founded: Founded, name: str) -> Path:
    return founded.settings.home / f"{name}.log"


@contextlib.contextmanager
def running(founded: Founded, lease: float | None) -> Iterator[tuple[list[Program], float]]:
    """Everything started; gives the programs, and the seconds until the API answered. Whatever happens, nothing is left."""
    with contextlib.closing(Nursery()) as nursery:
        all_, pause = programs(founded, nursery, lease), threading.Event()
        began = time.monotonic()
        for program in all_:
            program.start()
        while not answers(f"{founded.settings.url}/health/ready"):
            assert time.monotonic() < began + PATIENCE, log_of(founded, "api").read_text()
            pause.wait(0.05)
        yield all_, time.monotonic() - began


class Monkey:
    """Kills each program again and again, and starts it at once. A program lives `living` seconds (from, to) from when it is up;
    one in seven is killed while it is starting. Ends after `most` kills, after `lasting` seconds, or when it is told to."""

    def __init__(self, all_: list[Program], url: str, living: tuple[float, float], seed: int, most: int, lasting: float) -> None:
        self._stop, self._lock, self._left = threading.Event(), threading.Lock(), most
        self._url, self._living, self._end = url, living, time.monotonic() + lasting
        self._starting = 0.0
        self._threads = [
            threading.Thread(target=self._hunt, args=(each, random.Random(f"{seed}:{each.name}")), name=f"kill {each.name}")
            for each in all_
        ]
        self.died: list[str] = []

    def __enter__(self) -> Monkey:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _hunt(self, program: Program, chance: random.Random) -> None:
        while not self._stop.wait(chance.uniform(*self._living)):
            with self._lock:
                self._left -= 1
                if self._left < 0 or time.monotonic() > self._end:
                    return
            self._kill(program)
            while chance.random() < 1 / 7 and not self._stop.wait(chance.uniform(0.0, self._starting)):
                self._kill(program)
            self._until_up(program)

    def _kill(self, program: Program) -> None:
        if not program.kill():
            self.died.append(f"{program.name} ended by itself")
        program.kills += 1
        program.start()

    def _until_up(self, program: Program) -> None:
        """An API says that it is up; a worker is taken to need as long as the last API did."""
        began = time.monotonic()
        if program.name != "api":
            self._stop.wait(self._starting)
            return
        while not answers(f"{self._url}/health/ready") and not self._stop.wait(0.1):
            pass
        self._starting = time.monotonic() - began


# --- people


@dataclass
class Worked:
    """What people did, how often they had to ask again, and what no answer should ever have been."""

    done: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)


class Person:
    """Somebody with a token who asks again, with the same key, until there is an answer."""

    def __init__(self, name: str, url: str, token: str, office: Office) -> None:
        self.name, self.chance, self.worked = name, random.Random(f"{office.seed}:{name}"), office.worked
        self._wishes = office.wishes
        self._client, self._decided = Client(url, token, timeout=30), set[str]()
        self._pause = threading.Event()

    def insist(self, what: str, ask: Callable[[], T]) -> T:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except (Unavailable, TimedOut) as error:
                self.worked.repeats[type(error).__name__] += 1
                if time.monotonic() > end:
                    self.worked.surprises.append(f"{self.name} gave up on {what}: {error}")
                    raise
                self._pause.wait(self.chance.uniform(0.1, 0.4))

    def do(self, command: Command, key: str) -> dict[str, Any] | None:
        """None when it is no longer to be done. Raises Unavailable and TimedOut when patience is over."""
        try:
            told = self.insist(command.action, lambda: self._client.do(command, reason="campaign", key=key))
        except WrongState:
            self.worked.done[f"{command.action} (too late)"] += 1
            return None
        except (Unavailable, TimedOut):
            raise
        except ModelyardError as error:
            self.worked.surprises.append(f"{self.name}: {command.action} {key}: {type(error).__name__}: {error}")
            return None
        self.worked.done[command.action] += 1
        return told

    def get(self, path: str, **params: Any) -> Any:
        return self.insist(path, lambda: self._client.http.get(path, **params))

    def look(self) -> int:
        """Do what lies in one's inbox; says how much."""
        mine = [Task.model_validate(told) for told in self.get("/tasks/inbox", limit=50)]
        mine = [task for task in mine if task.id not in self._decided]
        self.chance.shuffle(mine)
        for task in mine[:10]:
            try:
                self._decide(task)
            except (Unavailable, TimedOut):
                continue  # it is told of as a surprise, and stays in the inbox
            self._decided.add(task.id)
        return len(mine)

    def _decide(self, task: Task) -> None:
        if task.quorum == 1 and self.chance.random() < 0.3:
            self.do(ClaimTask(task=task.id), f"claim-{task.id}")
        self.do(_answer(task, self._wishes[str(task.about)]), f"done-{task.id}")

    def close(self) -> None:
        self._client.close()


def _answer(task: Task, wish: Wish) -> CompleteTask:
    if task.element in ("review", "countersign"):
        return CompleteTask(task=task.id, verdict=wish.verdict, comments="looked at")
    filled: dict[str, Any] = {}
    if task.element == "mend":
        filled = {"choice": "check again"} if wish.shipped else {"endpoint": wish.endpoint}
    if task.element == "plan":
        filled = {"role": "champion", "days": 0}
    return CompleteTask(task=task.id, data=filled, comments="done")


class Office:
    """Everybody at work, each in a thread, until it closes."""

    def __init__(self, founded: Founded, wishes: Sequence[Wish], seed: int) -> None:
        self.seed, self.worked, self._close = seed, Worked(), threading.Event()
        self.wishes = {f"version:{wish.version}": wish for wish in wishes}
        url = founded.settings.url
        self.people = {name: Person(name, url, token, self) for name, token in founded.tokens.items()}
        self.starters = [Person(name, url, founded.tokens[name], self) for name in ("omar", "otto") * 2]
        self._threads = [threading.Thread(target=self._work, args=(person,), name=name) for name, person in self.people.items()]

    def __enter__(self) -> Office:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close.set()
        for thread in self._threads:
            thread.join()
        for person in (*self.people.values(), *self.starters):
            person.close()

    def _work(self, person: Person) -> None:
        idle = 0
        while not self._close.wait(min(0.2 * 1.5**idle, 2.0)):
            try:
                idle = 0 if person.look() else min(idle + 1, 8)
            except Exception as error:  # noqa: BLE001 -- told in the end: a campaign with surprises has failed
                self.worked.surprises.append(f"{person.name} stopped: {type(error).__name__}: {error}")
                return

    def begin_all(self) -> None:
        """Start every release, several at a time; call off those that are to be once all have begun."""
        wishes, count = list(self.wishes.values()), len(self.starters)
        with ThreadPoolExecutor(count) as pool:
            begun = pool.map(self._begin, self.starters, [wishes[number::count] for number in range(count)])
            called_off = [instance for some in begun for instance in some]
        for instance in called_off:
            self.starters[0].do(CancelInstance(instance=instance, why="nobody wants it any more"), f"cancel-{instance}")

    def _begin(self, starter: Person, wishes: Sequence[Wish]) -> list[str]:
        """Start them and tell them to go (some are told before they are there); gives those that are to be called off."""
        found = []
        for wish in wishes:
            tell = SendMessage(name="faults.go", key=wish.name, payload={"told": wish.name}, keep_s=3600)
            start = StartProcess(process=wish.process, about=f"version:{wish.model_version}", title=wish.name, data=wish.data())
            steps: dict[str, Command] = {f"start-{wish.name}": start}
            go: dict[str, Command] = {} if wish.shipped else {f"go-{wish.name}": tell}
            steps = {**go, **steps} if wish.early else {**steps, **go}
            told = {key: starter.do(command, key) for key, command in steps.items()}
            instance = told[f"start-{wish.name}"]
            if wish.end == "cancelled" and instance is not None:
                found.append(str(instance["id"]))
        return found
