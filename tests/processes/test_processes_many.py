"""Two APIs and two workers on one database, many callers, kill -9 in the middle: nothing is lost and nothing is done twice."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import pytest
from processes_yard import FIRST, PEOPLE, Person, answers, audit_is_whole, eventually, free_port, kill, people, process, register

from modelyard.bootstrap import Settings, build, first_start

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
KEYS, ASKED_EACH = 20, 4
UPDATERS, UPDATES_EACH = 4, 10
ENDPOINTS = 10
TRY_AGAIN = {503, 504}


@dataclass
class Caller:
    """Somebody who knows both APIs and asks again, with the same key, until one of them has answered."""

    doors: list[Person]
    turn: Iterator[int]

    def ask(self, method: str, path: str, body: Any, key: str) -> httpx.Response:
        def attempt() -> httpx.Response | None:
            door = self.doors[next(self.turn) % len(self.doors)]
            headers = {"Idempotency-Key": key}
            try:
                answer = door.ask(method, path, body, params={"reason": "test"}, headers=headers)
            except httpx.TransportError:
                return None  # whether it was done is unknown: the key makes asking again safe
            return None if answer.status_code in TRY_AGAIN else answer

        return eventually(attempt, f"{method} {path} is answered", 90)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path, None, "any")
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Many:
    """Two of each, on one database."""

    folder: Path
    apis: list[Popen[bytes]]
    workers: list[Popen[bytes]]
    people: dict[str, Person]
    urls: list[str]
    stack: contextlib.ExitStack
    environment: dict[str, str]

    def caller(self, name: str) -> Caller:
        return Caller([Person(url, self.people[name].token) for url in self.urls], count())

    def alive(self, name: str) -> Person:
        """The person at an API that answers."""
        url = next(url for url, api in zip(self.urls, self.apis, strict=True) if api.poll() is None)
        return Person(url, self.people[name].token)

    def start_worker(self) -> None:
        log = self.folder / "worker.log"
        self.workers.append(self.stack.enter_context(process("modelyard.worker", log=log, environment=self.environment)))


@pytest.fixture(scope="module", params=DATABASES)
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    folder = tmp_path_factory.mktemp("many")
    with contextlib.ExitStack() as stack:
        database = "" if request.param == "sqlite" else stack.enter_context(_fresh(request.getfixturevalue("pg_server")))
        settings = Settings(home=folder / "home", database=database)
        platform = build(settings)
        administrator = first_start(platform)
        platform.close()
        assert administrator is not None
        environment = {"MODELYARD_HOME": str(settings.home), "MODELYARD_DATABASE": settings.database_url}
        ports = [free_port(), free_port()]
        log = folder / "api.log"
        apis = [
            stack.enter_context(process("modelyard.api", log=log, environment=environment | {"MODELYARD_PORT": str(port)}))
            for port in ports
        ]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        found = Many(folder, apis, [], {}, urls, stack, environment)
        found.start_worker()
        found.start_worker()
        for url in urls:
            eventually(lambda url=url: answers(f"{url}/health/ready"), "both APIs are ready", 90)  # type: ignore[misc]
        found.people = people(urls[0], administrator, **PEOPLE)
        yield found


@contextlib.contextmanager
def _fresh(server: str) -> Iterator[str]:
    import uuid

    import psycopg

    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.slow  # the fault campaign's short form kills APIs and workers every day
def test_commands_from_everywhere_with_a_crash_in_the_middle(many: Many) -> None:
    dana, omar = many.caller("dana"), many.caller("omar")
    counter = dana.ask("POST", "/use-cases", {"name": "counter", "description": "0", "tier": "low"}, "counter").json()
    done, halfway = count(1), threading.Event()

    def register_same(number: int) -> str:
        answer = dana.ask("POST", "/use-cases", {"name": f"case-{number}"}, f"case-{number}")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def update(me: int) -> int:
        for number in range(UPDATES_EACH):
            _add_one(dana, counter["id"], f"update-{me}-{number}")
            if next(done) >= UPDATERS * UPDATES_EACH // 3:
                halfway.set()
        return UPDATES_EACH

    def create(number: int) -> None:
        answer = omar.ask("POST", "/endpoints", {"name": f"e{number}", "use_case": "counter"}, f"e{number}")
        assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(KEYS * ASKED_EACH // 4 + UPDATERS + 2) as pool:
        updated = [pool.submit(update, me) for me in range(UPDATERS)]
        created = [pool.submit(create, number) for number in range(ENDPOINTS)]
        asked = [[pool.submit(register_same, number) for _ in range(ASKED_EACH)] for number in range(KEYS)]
        assert halfway.wait(90)
        kill(many.apis[0])
        kill(many.workers[0])
        ids = [{future.result() for future in futures} for futures in asked]
        assert sum(future.result() for future in updated) == UPDATERS * UPDATES_EACH
        for future in created:
            future.result()

    rita = many.alive("rita")
    assert [len(each) for each in ids] == [1] * KEYS  # every caller of a key got the same record
    assert rita.get(f"/use-cases/{counter['id']}")["description"] == str(UPDATERS * UPDATES_EACH)
    assert len([u for u in rita.all("/use-cases") if u["name"].startswith("case-")]) == KEYS
    epochs = sorted(r["epoch"] for r in rita.all("/routes"))
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) >= ENDPOINTS
    audit = rita.all("/audit")
    acted = [(r["action"], r["subject_id"], r["command_digest"]) for r in audit if r["action"] == "catalog.register_use_case"]
    assert len(acted) == len(set(acted)) == KEYS + 1
    told = audit_is_whole(rita, 60)
    assert told["log"]["covered"] >= len(audit)


def _add_one(dana: Caller, use_case: str, name: str) -> None:
    """Read, add one, write; from the start when somebody else was faster."""
    for number in count():
        found = dana.get(f"/use-cases/{use_case}")
        body = {"revision": found["revision"], "description": str(int(found["description"]) + 1)}
        answer = dana.ask("PATCH", f"/use-cases/{use_case}", body, f"{name}-{number}")
        if answer.status_code == 200:
            return
        assert (answer.status_code, answer.json()["code"]) == (409, "stale_revision"), answer.text


@pytest.mark.slow  # a lease has to run out
def test_jobs_of_a_killed_worker_are_done_once(many: Many) -> None:
    many.start_worker()
    dana, rita = many.alive("dana"), many.alive("rita")
    dana.do("/use-cases", {"name": "jobs", "tier": "low"})
    dana.do("/models", {"name": "jobs-model", "use_case": "jobs", "kind": "ml"})
    version = register(dana, many.folder, "jobs-model", FIRST)
    wanted = [dana.do(f"/versions/{version['id']}/checks", {})["id"] for _ in range(3)]

    def victim() -> tuple[Any, Popen[bytes]] | None:
        for job in rita.all("/jobs", state="running"):
            for worker in many.workers:
                if worker.poll() is None and str(job["worker"]).endswith(f":{worker.pid}"):
                    return job, worker
        return None

    job, worker = eventually(victim, "a job runs")
    kill(worker)

    def finished() -> list[Any]:
        jobs = [rita.get(f"/jobs/{each}") for each in wanted]
        return jobs if all(j["state"] in {"done", "failed", "cancelled"} for j in jobs) else []

    jobs = eventually(finished, "all jobs are finished", 120)
    assert [j["state"] for j in jobs] == ["done"] * 3, json.dumps(jobs, indent=1)
    assert next(j for j in jobs if j["id"] == job["id"])["attempts"] == 2
    told = [e["id"] for j in jobs for e in j["result"]["evidence"]]
    kept = [e["id"] for e in rita.all("/evidence") if e["version"] == version["id"]]
    assert sorted(told) == sorted(kept)
    assert len(told) == len(set(told)) == 6
    audit_is_whole(rita, 60)
