"""Options that many commands share, as dataclasses that Cyclopts spreads out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

Output = Literal["table", "wide", "json", "yaml", "name"]
CONNECTION = Group("Connection", sort_key=90)
SHOWING = Group("Output", sort_key=80)
CHANGING = Group("Change", sort_key=70)
FINDING = Group("Finding", sort_key=60)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading:
    """Where the server is and how its answer is printed."""

    output: Annotated[Output, Parameter(name=("--output", "-o"), group=SHOWING, help="Form of what is printed on stdout.")] = (
        "table"
    )
    url: Annotated[
        str | None, Parameter(group=CONNECTION, help="The server's address; else MODELYARD_URL, else that of `modelyard login`.")
    ] = None
    timeout: Annotated[float, Parameter(group=CONNECTION, help="Seconds to wait for an answer.")] = 60.0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Watching(Reading):
    """Reading, again and again if asked."""

    watch: Annotated[
        bool, Parameter(name=("--watch", "-w"), show_default=False, negative=(), group=SHOWING, help="Print anew until Ctrl-C.")
    ] = False
    every: Annotated[float, Parameter(group=SHOWING, help="Seconds between two looks of --watch.")] = 2.0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Listing(Watching):
    """Which records a list shows. The server filters, sorts and pages."""

    search: Annotated[
        str,
        Parameter(
            name=("--search", "-q"),
            show_default=False,
            group=FINDING,
            allow_leading_hyphen=True,
            help="Words that occur in the record.",
        ),
    ] = ""
    where: Annotated[
        tuple[str, ...],
        Parameter(
            name="--where",
            show_default=False,
            negative=(),
            group=FINDING,
            help="`field=value` on an indexed field; may be repeated.",
        ),
    ] = ()
    sort: Annotated[str, Parameter(group=FINDING, allow_leading_hyphen=True, help="A field; `-field` for descending.")] = (
        "-created_at"
    )
    limit: Annotated[int, Parameter(group=FINDING, help="At most so many; 0 for all.")] = 50


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Changing(Reading):
    """How something is changed."""

    reason: Annotated[
        str,
        Parameter(
            name=("--reason", "-m"),
            show_default=False,
            group=CHANGING,
            allow_leading_hyphen=True,
            help="Why; kept in the audit log.",
        ),
    ] = ""
    dry_run: Annotated[
        bool, Parameter(show_default=False, negative=(), group=CHANGING, help="Do everything, keep nothing, show the result.")
    ] = False
    yes: Annotated[
        bool, Parameter(name=("--yes", "-y"), show_default=False, negative=(), group=CHANGING, help="Ask no questions.")
    ] = False
    key: Annotated[
        str | None, Parameter(name="--idempotency-key", group=CHANGING, help="A repeat with the same key changes nothing more.")
    ] = None


READING, WATCHING, LISTING, CHANGING_ = Reading(), Watching(), Listing(), Changing()
