"""The typed client: commands go out, records come back, errors are those of `modelyard.core.errors`.

with Client("http://127.0.0.1:7900", token) as yard:
    model = yard.do(RegisterModel(name="delay", use_case="hold", kind="ml"), Model)
    for state in yard.find(VERSION_STATES, text="delay", where={"status": "released"}):
        print(state.model, state.number)
    yard.do(Rollback(endpoint="hold"), Endpoint, reason="wrong by 14 % since noon")
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from pydantic import BaseModel, ValidationError

from modelyard.catalog import Version
from modelyard.client.blobs import Uploaded, download, upload
from modelyard.client.decisions import FILES_TIME, MEDIA_TYPES, Backfill, Summary, asked, content_of, fetch
from modelyard.client.http import Connection, Json
from modelyard.client.inference import Answers, Runtime
from modelyard.client.routes import COLLECTIONS
from modelyard.core.errors import InvalidInput
from modelyard.core.messages import Command
from modelyard.core.records import R, Table
from modelyard.evaluation.registration import Registered, Registration

DEFAULT_URL = "http://127.0.0.1:7900"
DEFAULT_RUNTIME = "http://127.0.0.1:7901"
OUTCOMES_A_POST = 10_000
REGISTRATION_TIME = 900.0
T = TypeVar("T", bound=BaseModel)


class Me(BaseModel):
    """Who the token stands for."""

    id: str
    name: str = ""
    roles: tuple[str, ...] = ()


class OutcomesTaken(BaseModel):
    """What became of posted outcomes; `unknown` are ids of decisions that are not in the log (their outcomes are kept)."""

    accepted: int = 0
    repeated: int = 0
    corrected: int = 0
    unknown: tuple[str, ...] = ()

    def __add__(self, other: OutcomesTaken) -> OutcomesTaken:
        return OutcomesTaken(
            accepted=self.accepted + other.accepted,
            repeated=self.repeated + other.repeated,
            corrected=self.corrected + other.corrected,
            unknown=self.unknown + other.unknown,
        )


class Client:
    """Everything a program may do with a server. Without arguments, MODELYARD_URL, MODELYARD_TOKEN and MODELYARD_RUNTIME_URL
    say where and as whom. Not for use by several threads at once."""

    def __init__(
        self, url: str | None = None, token: str | None = None, *, runtime_url: str | None = None, timeout: float = 60.0
    ) -> None:
        found = os.environ
        self.http = Connection(
            url or found.get("MODELYARD_URL") or DEFAULT_URL, token or found.get("MODELYARD_TOKEN"), timeout=timeout
        )
        self._runtime = Runtime(runtime_url or found.get("MODELYARD_RUNTIME_URL") or DEFAULT_RUNTIME, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()
        self._runtime.close()

    @overload
    def do(self, command: Command, *, reason: str = "", dry_run: bool = False, key: str | None = None) -> Json: ...
    @overload
    def do(self, command: Command, answer: type[T], *, reason: str = "", dry_run: bool = False, key: str | None = None) -> T: ...
    def do(
        self, command: Command, answer: type[T] | None = None, *, reason: str = "", dry_run: bool = False, key: str | None = None
    ) -> T | Json:
        """Do a command and give its answer, as `answer` where that is named. The same `key` gives the first answer again;
        `dry_run` does everything and keeps nothing."""
        fields = command.model_dump(mode="json", exclude_unset=True)
        told = self.http.change(command.action, fields, reason=reason, dry_run=dry_run, key=key)
        return told if answer is None else read(answer, told)

    def get(self, table: Table[R], reference: str) -> R:
        """The record of that id (or name, where records have unique names). Raises NotFound."""
        return read(table.record, self.http.get(f"/{path_of(table)}/{_segment(reference)}"))

    def find(
        self,
        table: Table[R],
        *,
        text: str = "",
        where: Mapping[str, Any] | None = None,
        sort: str = "-created_at",
        limit: int | None = None,
    ) -> Iterator[R]:
        """Records that match, fetched page by page as they are consumed. `where` names indexed fields; `sort` takes `-field`."""
        filters = {name: _plain(value) for name, value in (where or {}).items()}
        for found in self.http.pages(path_of(table), limit=limit, q=text, sort=sort, **filters):
            yield read(table.record, found)

    def me(self) -> Me:
        return Me.model_validate(self.http.get("/me"), extra="ignore")

    def version(self, reference: str) -> Version:
        """The whole immutable version: `model@3`, `model@latest`, an id or a digest."""
        return read(Version, self.http.get(f"/versions/{_segment(reference)}/detail"))

    def upload(self, path: str | os.PathLike[str]) -> Uploaded:
        """Send a file; its digest is computed on the way and must be what the server found. Raises Untrusted."""
        return upload(self.http, Path(path))

    def download(self, digest: str, path: str | os.PathLike[str]) -> Path:
        """Fetch a blob into a file that appears whole and verified, or not at all. Raises NotFound, Untrusted."""
        return download(self.http, digest, Path(path))

    def register(
        self,
        model: str,
        artifact: str | os.PathLike[str],
        *,
        sample: str | os.PathLike[str] | None = None,
        lock: str | os.PathLike[str] | None = None,
        reason: str = "",
        key: str | None = None,
        **more: Any,
    ) -> Registered:
        """Upload an artifact (with a sample of rows and a lock) and register it as the model's next version. `more` are the
        other fields of `Registration`."""
        path = Path(artifact)
        files = {"artifact": path.name} | ({"sample": Path(sample).name} if sample else {})
        asked = Registration(
            model=model,
            artifact=self.upload(path).digest,
            filename=files["artifact"],
            **({"sample": self.upload(sample).digest, "sample_filename": files["sample"]} if sample else {}),
            **({"environment_lock": self.upload(lock).digest} if lock else {}),
            **more,
        )
        return self.register_uploaded(asked, reason=reason, key=key)

    def register_uploaded(self, asked: Registration, *, reason: str = "", key: str | None = None) -> Registered:
        """Register a version of what is uploaded already."""
        answer = self.http.request(
            "POST",
            "/versions",
            json=asked.model_dump(mode="json", exclude_unset=True),
            params={"reason": reason},
            key=key,
            timeout=REGISTRATION_TIME,
        )
        return read(Registered, answer.json())

    def decide(
        self,
        endpoint: str,
        rows: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
        *,
        routing_keys: Sequence[str | int] | str | None = None,
        event_times: Sequence[datetime] | datetime | None = None,
        subjects: Sequence[str | int] | str | None = None,
    ) -> Answers:
        """Ask the runtime for decisions: columns by name, or one mapping a row. See `modelyard.client.inference`."""
        return self._runtime.decide(endpoint, rows, routing_keys=routing_keys, event_times=event_times, subjects=subjects)

    def decisions(self, *, reveal: bool = False, reason: str = "", limit: int = 100, **window: Any) -> list[Json]:
        """The first decisions of a window with their outcomes. `window` takes endpoint, use_case, model, version, arm, role,
        since, until, by, as_of, shadows, and key and subject as callers of the endpoint give them. `reveal` shows protected
        fields in clear to who may see them, and needs a reason."""
        body = asked(window) | {"limit": limit} | ({"reveal": True} if reveal else {})
        answer = self.http.request("POST", "/decisions/search", json=body, params={"reason": reason}, key=os.urandom(16).hex())
        items: list[Json] = answer.json()["items"]
        return items

    def decision(self, decision: str, *, reveal: bool = False, reason: str = "", as_of: datetime | None = None) -> Json:
        """One decision with its outcome. Raises NotFound, and Forbidden for who may not see protected fields in clear."""
        params = {"reveal": "true" if reveal else None, "reason": reason, "as_of": _plain(as_of)}
        found: Json = self.http.get(f"/decisions/{_segment(decision)}", **params)
        return found

    def export_decisions(
        self,
        path: str | os.PathLike[str],
        format: Literal["parquet", "csv", "arrow", "jsonl"] = "parquet",  # noqa: A002 -- what it is called everywhere
        *,
        outcomes: bool = False,
        reason: str = "",
        **window: Any,
    ) -> Path:
        """Decisions of a window in a file, which appears whole or not at all. `window` as in `decisions`, with limit."""
        fetch(self.http, asked(window) | {"format": format, "outcomes": outcomes}, Path(path), reason=reason)
        return Path(path)

    def decision_summary(self, **window: Any) -> Summary:
        """Counts of a window by day, arm, version and role, with the coverage of outcomes and those that came late."""
        return read(Summary, self.http.get("/decisions/summary", **asked(window)))

    def backfill(
        self,
        data: bytes | os.PathLike[str],
        format: Literal["parquet", "arrow", "jsonl"],  # noqa: A002
        *,
        endpoint: str,
        source: str,
        use_case: str | None = None,
        reason: str = "",
    ) -> Backfill:
        """Put decisions that were made elsewhere into the log. A repeat adds nothing."""
        params = {"endpoint": endpoint, "source": source, "use_case": use_case, "reason": reason}
        answer = self.http.request(
            "POST",
            "/decisions/backfill",
            params=params,
            content=lambda: content_of(data),
            headers={"Content-Type": MEDIA_TYPES[format]},
            timeout=FILES_TIME,
        )
        return read(Backfill, answer.json())

    def erase(self, subject: str, *, reason: str, key: str | None = None) -> Json:
        """Erase a person, named as callers of the endpoints name them. The server keeps no record of that name."""
        return self.http.change("governance.request_erasure", {"subject": subject}, reason=reason, key=key)

    def post_outcomes(self, source: str, outcomes: Iterable[Mapping[str, Any]]) -> OutcomesTaken:
        """Tell what came of decisions: `{"decision": id, "values": {…}, "event_time": …, "time_known": …}` each. Large numbers
        are sent in parts; each part is kept whole or not at all, and repeats change nothing."""
        taken = OutcomesTaken()
        for part in _parts(outcomes, OUTCOMES_A_POST):
            body = {"source": source, "outcomes": [{name: _plain(value) for name, value in o.items()} for o in part]}
            # A repeat changes nothing, so this may be tried again; the key says so.
            answer = self.http.request("POST", "/outcomes", json=body, key=os.urandom(16).hex())
            taken += OutcomesTaken.model_validate(answer.json(), extra="ignore")
        return taken


def path_of(table: Table[Any]) -> str:
    """The collection's path. Raises InvalidInput for tables that are not shown over HTTP."""
    path = COLLECTIONS.get(table.name)
    if path is None:
        raise InvalidInput(f"{table.name} cannot be read over HTTP", field="table", hint=f"these can: {', '.join(COLLECTIONS)}")
    return path


def read(kind: type[T], told: Any) -> T:
    """The typed form of an answer. Raises InvalidInput when the server speaks of something that this client does not know."""
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in fault["loc"])
        raise InvalidInput(
            f"the server's {kind.__name__} is not as this client knows it: {fault['msg']}",
            field=where,
            hint="the versions of client and server differ; `modelyard doctor` tells them",
        ) from error


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _segment(reference: str) -> str:
    from urllib.parse import quote

    return quote(reference, safe="@:")


def _parts(items: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    part: list[Mapping[str, Any]] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
