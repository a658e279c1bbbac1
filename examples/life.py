"""What the demos do alike: wait for something, type a command as a person does, look what the runtime serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from examples.people import Person
from examples.stage import Say
from modelyard.catalog import Version
from modelyard.client import Client
from modelyard.core.errors import NotFound, TimedOut, Unavailable
from modelyard.delivery.model import ROUTES, Endpoint
from modelyard.governance.assurance.model import EVIDENCE

T = TypeVar("T")
PATIENCE = 120.0


def until(what: str, look: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """What `look` gives as soon as it is not None. Raises TimedOut."""
    pause, end = threading.Event(), time.monotonic() + patience
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > end:
            raise TimedOut(f"waited {patience:.0f} s for {what}")
        pause.wait(0.2)


def command_line(person: Person, *words: str) -> Any:
    """The JSON that `modelyard …` prints when this person types it. Raises Unavailable with what it said when it fails."""
    environment = os.environ | {
        "MODELYARD_URL": person.url,
        "MODELYARD_TOKEN": person.token,
        "MODELYARD_RUNTIME_URL": person.runtime_url,
    }
    done = subprocess.run(
        [sys.executable, "-m", "modelyard.cli", *words, "-o", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Unavailable(f"`modelyard {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def moved(operator: Person, endpoint: Endpoint, say: Say) -> Endpoint:
    """Wait until the runtime serves what was signed."""
    newest = next(iter(operator.client.find(ROUTES, sort="-epoch", limit=1)))
    until(f"the runtime to take up epoch {newest.epoch}", lambda: _serves(operator, endpoint.name, newest.epoch))
    arms = ", ".join(f"{arm.name} {arm.share:.0%}" for arm in endpoint.arms)
    say(f"the runtime serves epoch {newest.epoch}: {arms}")
    return endpoint


def _serves(operator: Person, endpoint: str, epoch: int) -> bool | None:
    told = httpx.get(f"{operator.runtime_url}/status", timeout=10.0).json()
    there = (told["epoch"] or 0) >= epoch
    return True if there and endpoint in str(told["endpoints"]) else None


def reference_of(client: Client, version: Version) -> str:
    """The digest of the profile of the test data that the version's checks made. Raises NotFound."""
    for evidence in client.find(EVIDENCE, where={"version": version.id, "type": "test_report"}):
        found = evidence.facts.get("reference_profile")
        if found:
            return str(found)
    raise NotFound(f"version {version.number} has no reference profile")
