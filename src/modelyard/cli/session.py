"""One command's conversation: with the server (through the client) and with the person. Data on stdout, the rest on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from modelyard.cli import render
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import Changing, Listing, Reading, Watching
from modelyard.cli.settings import Target, target
from modelyard.cli.views import VIEWS

if TYPE_CHECKING:
    from modelyard.client.http import Connection

Json = dict[str, Any]


class Session:
    """What a command's function works with."""

    def __init__(self, how: Reading) -> None:
        self.how = how

    @cached_property
    def target(self) -> Target:
        return target(self.how.url)

    @cached_property
    def http(self) -> Connection:
        from modelyard.client.http import Connection

        return Connection(self.target.url, self.target.token, timeout=self.how.timeout)

    def get(self, path: str, **params: Any) -> Any:
        return self.knowing_names(self.http.get(path, **params))

    def knowing_names(self, told: Any) -> Any:
        """What was told; learns the names of the identities in it first, where a person is to read it."""
        if not render.NAMES and self.how.output in ("table", "wide") and "idn_" in str(told):
            from modelyard.core.errors import Refused

            try:
                people = self.http.get("/identities", limit=200)["items"]
            except Refused:
                return told  # ids will do for who may not see names
            render.NAMES.update({person["id"]: person["name"] for person in people})
        return told

    def find(self, noun: str, *, limit: int | None = None, sort: str = "-created_at", q: str = "", **where: Any) -> list[Json]:
        """Records of a collection."""
        found = list(self.http.pages(VIEWS[noun].path, limit=limit, sort=sort, q=q, **where))
        self.knowing_names(found[:1])
        return found

    def one(self, noun: str, reference: str) -> Json:
        """The record of that id or name. Raises NotFound."""
        found: Json = self.get(f"/{VIEWS[noun].path}/{segment(reference)}")
        return found

    def print_list(self, noun: str, **where: Any) -> int:
        """A collection in the wanted form; an empty one says what to do next. With --watch, until Ctrl-C."""
        how, view = self.how, VIEWS[noun]
        assert isinstance(how, Listing)
        filters = {k: v for k, v in where.items() if v is not None} | pairs(how.where)

        def look() -> list[Json]:
            return self.find(noun, limit=how.limit or None, sort=how.sort, q=how.search, **filters)

        def show(rows: list[Json]) -> None:
            if rows or how.output in ("json", "yaml"):
                render.print_rows(rows, view.columns, how.output, name=view.name)
            if not rows:
                say(f"nothing found in {view.path}" if filters or how.search else f"there are no {view.path} yet")
                say(f"next: {view.empty}")
            elif how.limit and len(rows) == how.limit:
                say(f"the first {how.limit}; more with --limit 0")

        watched(how, look, show)
        return DONE

    def print_one(self, noun: str, reference: str) -> int:
        """One record in the wanted form. With --watch, until Ctrl-C."""
        look = lambda: self.one(noun, reference)  # noqa: E731 -- two names for one thought would say less
        watched(self.how, look, lambda found: self.show(noun, found))
        return DONE

    def show(self, noun: str, record: Mapping[str, Any]) -> None:
        render.print_one(record, self.how.output, name=VIEWS[noun].name)

    def change(self, action: str, fields: Mapping[str, Any], *, ask: str = "", must_ask: bool = False, why: bool = False) -> Json:
        """Do a command. `ask` is the question on a terminal, after what would change has been shown; `must_ask` wants an answer
        (or --yes) even off a terminal; `why` wants a reason."""
        how = self.how
        assert isinstance(how, Changing)
        body = {name: value for name, value in fields.items() if value is not None}
        reason = self.reason(required=why)
        if ask and not how.yes and not how.dry_run and (must_ask or interactive()):
            demand_terminal()
            self._preview(action, body, reason)
            confirm(ask)
        return self.http.change(action, body, reason=reason, dry_run=how.dry_run, key=how.key)

    def report(self, noun: str, record: Mapping[str, Any], sentence: str, *next_steps: str) -> int:
        """Print the changed record, and on stderr what was done and what comes next."""
        assert isinstance(self.how, Changing)
        self.show(noun, record)
        say(("dry run, nothing kept: " if self.how.dry_run else "") + sentence)
        if not self.how.dry_run:
            for step in next_steps:
                say(f"next: {step}")
        return DONE

    def reason(self, *, required: bool) -> str:
        how = self.how
        assert isinstance(how, Changing)
        if how.reason.strip() or not required or how.dry_run:
            return how.reason
        if interactive():
            given = ask_line("Reason (kept in the audit log): ")
            if given:
                return given
        raise Usage("this change needs a reason", field="--reason", hint="add --reason '…': it is kept in the audit log")

    def _preview(self, action: str, body: Mapping[str, Any], reason: str) -> None:
        after = self.http.change(action, body, reason=reason, dry_run=True)
        before = self._present(action, body)
        differences = render.changes(before, after) if before is not None else []
        if differences:
            columns = "WHAT=what BEFORE=before AFTER=after"
            render.print_rows(differences, columns, "wide", stream=sys.stderr)

    def _present(self, action: str, body: Mapping[str, Any]) -> Json | None:
        """The record that the command is about, as it is now, where it is the one that the command gives back."""
        from modelyard.client.routes import COMMANDS

        parameters = COMMANDS[action].parameters
        if parameters != ["endpoint"]:
            return None
        return self.one("endpoint", str(body["endpoint"]))


def say(text: str) -> None:
    """Progress and advice, on stderr."""
    render.put(render.safe(text))


def interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def demand_terminal() -> None:
    if not interactive():
        raise Usage("this asks before it acts, and there is no terminal to ask at", field="--yes", hint="add --yes to go on")


def ask_line(question: str) -> str:
    """An answer typed by a person. The end of input counts as no answer."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def confirm(question: str) -> None:
    """Raises Usage unless the person says yes."""
    if ask_line(f"{render.safe(question)} [y/N] ").lower() not in ("y", "yes"):
        raise Usage("not done: the answer was no")


def watched(how: Reading, look: Callable[[], Any], show: Callable[[Any], None]) -> None:
    """Show once; with --watch again whenever something has changed, until Ctrl-C."""
    if not (isinstance(how, Watching) and how.watch):
        show(look())
        return
    for found in _looks(how.every, look):
        if sys.stdout.isatty():
            sys.stdout.write("\x1b[2J\x1b[H")
        show(found)
        sys.stdout.flush()


def _looks(every: float, look: Callable[[], Any]) -> Iterator[Any]:
    before: Any = None
    first = True
    while True:
        found = look()
        if first or found != before or sys.stdout.isatty():
            yield found
        before, first = found, False
        pause(every)


def pause(seconds: float) -> None:
    """Between two looks at something that only the server knows."""
    time.sleep(max(0.1, seconds))


def pairs(given: Sequence[str], option: str = "--where") -> Json:
    """`name=value` options as a mapping. Raises Usage."""
    found: Json = {}
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or not name.strip():
            raise Usage(f"{item!r} is not name=value", field=option, hint=f"for example {option} status=released")
        found[name.strip()] = value
    return found


def segment(reference: str) -> str:
    """A reference as one step of a path. Raises Usage for one that names nothing."""
    if not reference.strip() or reference in (".", ".."):
        raise Usage("an empty reference names nothing", hint="give a name or an id")
    return quote(reference, safe="@:")
