"""`modelyard endpoint`: stable names that callers use, how they answer, and who stands in when an arm cannot."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import value
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, LISTING, WATCHING, Changing, Listing, Watching
from modelyard.cli.session import Session, pairs, say, watched

Stale = Literal["serve", "fallback", "refuse"]
Clearable = Literal[
    "constant", "invalid", "cold_start", "timeout", "latency_target", "concurrency", "queue", "sticky_by", "rules", "protect"
]
ARROW = "=>"
USES = "ARM=arm ANSWERED-BY=answered_by CAUSE=cause COUNT=count LAST=until:age"
_DAY = timedelta(days=1)
endpoint = App(name="endpoint", help="Stable names that callers use.")


@endpoint.command(name="create")
def create(
    name: str,
    /,
    *,
    use_case: str,
    stage: str = "production",
    constant: Annotated[
        str | None, Parameter(help="Outputs to answer with when nothing else can, as YAML: `{hold: false}`.")
    ] = None,
    stale: Annotated[Stale | None, Parameter(help="What to do when the routes have grown old; by tier when left out.")] = None,
    greatest_age: Annotated[float | None, Parameter(help="Seconds after which routes are old.")] = None,
    how: Changing = CHANGING_,
) -> int:
    """Make a stable name for the decisions of a use case."""
    session = Session(how)
    fields = {"name": name, "use_case": use_case, "stage": stage, "stale": stale, "greatest_age": greatest_age}
    made = session.change("delivery.create_endpoint", fields | {"constant": _constant(constant)})
    return session.report("endpoint", made, f"created endpoint {name}", f"modelyard deploy {name} RELEASE --reason '…'")


@endpoint.command(name="update")
def update(
    name: str,
    /,
    *,
    constant: Annotated[str | None, Parameter(help="Outputs to answer with when nothing else can, as YAML.")] = None,
    stale: Stale | None = None,
    greatest_age: float | None = None,
    how: Changing = CHANGING_,
) -> int:
    """Change an endpoint's fallback or its policy on old routes."""
    session = Session(how)
    fields = {"constant": _constant(constant), "stale": stale, "greatest_age": greatest_age}
    if not any(v is not None for v in fields.values()):
        raise Usage("there is nothing to change", hint="--constant, --stale or --greatest-age")
    revision = session.one("endpoint", name)["revision"]
    made = session.change("delivery.update_endpoint", fields | {"endpoint": name, "revision": revision}, ask=f"Change {name}?")
    return session.report("endpoint", made, f"updated {name}")


@endpoint.command(name="list")
def list_endpoints(*, use_case: str | None = None, stage: str | None = None, how: Listing = LISTING) -> int:
    """Show endpoints with their arms."""
    return Session(how).print_list("endpoint", use_case=use_case, stage=stage)


@endpoint.command(name="show")
def show_endpoint(name: str, /, *, how: Watching = WATCHING) -> int:
    """Show an endpoint: its arms, its policy, who stands in, and how often somebody did."""
    session = Session(how)

    def look() -> dict[str, Any]:
        return session.one("endpoint", name) | {"fallback_uses": _uses(session, name)}

    def show(found: dict[str, Any]) -> None:
        uses = found.pop("fallback_uses")
        told = how.output in ("table", "wide")
        session.show("endpoint", _readable(found) if told else found | {"fallback_uses": uses})
        if told and uses:
            render.put("\nfallbacks used in the last 24 hours", sys.stdout)
            render.print_rows(uses, USES, how.output)

    watched(how, look, show)
    return DONE


@endpoint.command(name="changes")
def list_deployments(endpoint: str | None = None, /, *, how: Listing = LISTING) -> int:
    """Show what was deployed, promoted and rolled back, by whom and why."""
    return Session(how).print_list("deployment", endpoint=endpoint)


@endpoint.command(name="policy")
def policy(
    name: str,
    /,
    *,
    timeout: Annotated[float | None, Parameter(help="Seconds that an arm may take before a fallback answers.")] = None,
    latency_target: Annotated[float | None, Parameter(help="Seconds that rows may wait to be answered together.")] = None,
    concurrency: Annotated[int | None, Parameter(help="Requests answered at once, in each worker process.")] = None,
    queue: Annotated[int | None, Parameter(help="Requests that may wait for that; others are turned away with 503.")] = None,
    invalid: Annotated[
        Literal["reject", "fallback"] | None, Parameter(help="What happens to rows that do not fit the signature.")
    ] = None,
    unlogged: Annotated[
        Literal["refuse", "answer"] | None, Parameter(help="What happens when the decision log cannot be written.")
    ] = None,
    cold_start: Annotated[
        Literal["wait", "fallback"] | None, Parameter(help="What a request gets while the arm is still starting.")
    ] = None,
    sticky_by: Annotated[str | None, Parameter(help="The input whose value is the routing key of requests without one.")] = None,
    rule: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(), show_default=False, help="`CONDITION => ARM`, in FEEL over the inputs; all rules, in their order."
        ),
    ] = (),
    protect: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="`FIELD=keep|mask|hash|encrypt`, or `role:ROLE=…`; all of them."),
    ] = (),
    clear: Annotated[tuple[Clearable, ...], Parameter(negative=(), show_default=False, help="As if it had never been set.")] = (),
    how: Changing = CHANGING_,
) -> int:
    """Show how an endpoint answers, or change it; what is not named stays."""
    session = Session(how)
    given = {
        "timeout": timeout,
        "latency_target": latency_target,
        "concurrency": concurrency,
        "queue": queue,
        "invalid": invalid,
        "unlogged": unlogged,
        "cold_start": cold_start,
        "sticky_by": sticky_by,
        "rules": [_rule(text) for text in rule] or None,
        "protect": pairs(protect, "--protect") or None,
        "clear": list(clear) or None,
    }
    found = session.one("endpoint", name)
    if all(v is None for v in given.values()):
        session.show("endpoint", _policy(found) if how.output in ("table", "wide") else found["policy"])
        return DONE
    fields = given | {"endpoint": found["name"], "revision": found["revision"]}
    made = session.change("delivery.update_endpoint", fields, ask=f"Change how {name} answers?", why=True)
    readable = how.output in ("table", "wide")
    code = session.report("endpoint", _policy(made) if readable else made, f"{name} answers so from the next snapshot on")
    _warn(made)
    return code


@endpoint.command(name="fallback")
def fallback(
    name: str,
    /,
    *,
    previous: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Add the version that a rollback would bring back.")
    ] = False,
    version: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="Add a released version.")] = (),
    order: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="The whole chain, first to try first; may be repeated."),
    ] = (),
    remove: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="Take an arm out of the chain.")] = (),
    constant: Annotated[str | None, Parameter(help="Outputs to answer with at the end of the chain, as YAML.")] = None,
    how: Changing = CHANGING_,
) -> int:
    """Show or change who answers when an arm cannot: fallback arms in their order, then the constant."""
    session = Session(how)
    made = session.one("endpoint", name)
    chain = [arm["name"] for arm in made["arms"] if arm["role"] == "fallback"]
    unknown = sorted(set(remove) - set(chain))
    if unknown:
        raise Usage(f"{', '.join(unknown)} is not in the chain", field="--remove", hint=f"it is: {', '.join(chain) or 'empty'}")
    wanted = list(order) if order else [arm for arm in chain if arm not in remove]
    wanted += [*(["previous"] if previous else []), *version]
    changed = []
    if wanted != chain:
        made = session.change("delivery.set_fallbacks", {"endpoint": name, "chain": wanted}, ask=f"Change {name}?", why=True)
        changed.append("the chain")
    if constant is not None:
        fields = {"endpoint": name, "revision": made["revision"], "constant": _constant(constant)}
        made = session.change("delivery.update_endpoint", fields, ask=f"Change {name}?", why=True)
        changed.append("the constant")
    if not changed:
        session.show("endpoint", {"fallbacks": _chain(made)} if how.output in ("table", "wide") else made)
        return DONE
    return session.report("endpoint", made, f"changed {' and '.join(changed)}: {_chain(made)}")


@endpoint.command(name="uses")
def list_uses(name: str | None = None, /, *, how: Listing = LISTING) -> int:
    """Show when something else answered for an arm, and why."""
    return Session(how).print_list("fallback-use", endpoint=name)


@endpoint.command(name="orders")
def list_orders(name: str | None = None, /, *, how: Listing = LISTING) -> int:
    """Show operators' orders that runtimes acted on while the control plane was away, and what became of them."""
    return Session(how).print_list("order", endpoint=name)


def _rule(text: str) -> dict[str, str]:
    when, arrow, arm = text.rpartition(ARROW)
    if not arrow or not when.strip() or not arm.strip():
        raise Usage(f"{text!r} is not a rule", field="--rule", hint="for example --rule 'amount > 1000 => v2'")
    return {"when": when.strip(), "arm": arm.strip()}


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    """The record with its policy as sentences, and without what those say."""
    told = {name: value for name, value in found.items() if name not in ("policy", "constant")}
    return told | {"policy": _policy(found), "fallbacks": _chain(found)}


def _policy(found: dict[str, Any]) -> dict[str, Any]:
    policy = found["policy"]
    live = {arm["name"] for arm in found["arms"] if arm["role"] in ("champion", "challenger")}
    rests = "  (rests: no live arm of that name)"
    seconds = {name: f"{policy[name]:g} s" for name in ("timeout", "latency_target") if policy[name] is not None}
    return {
        "rules": [f"{r['when']} {ARROW} {r['arm']}{'' if r['arm'] in live else rests}" for r in policy["rules"]],
        **seconds,
        **{name: policy[name] for name in ("concurrency", "queue", "sticky_by", "invalid", "unlogged", "cold_start")},
        "protect": policy["protect"],
    }


def _chain(found: dict[str, Any]) -> str:
    """`v1, then v2, then the constant {hold: false}`."""
    steps = [arm["name"] for arm in found["arms"] if arm["role"] == "fallback"]
    if found.get("constant") is not None:
        steps.append(f"the constant {render.text(found['constant'])}")
    return ", then ".join(steps) or "none: who cannot be answered is told so"


def _warn(found: dict[str, Any]) -> None:
    """What is allowed and yet may not be meant."""
    policy = found["policy"]
    stands_in = any(arm["role"] == "fallback" for arm in found["arms"]) or found.get("constant") is not None
    if not stands_in and (policy["timeout"] is not None or "fallback" in (policy["invalid"], policy["cold_start"])):
        say("nobody stands in yet: requests will fail instead")
        say(f"next: modelyard endpoint fallback {found['name']} --previous --reason '…'")


def _uses(session: Session, name: str) -> list[dict[str, Any]]:
    """Uses of the last day, added up by arm, who answered and why; the commonest first."""
    since = datetime.now(UTC) - _DAY
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for use in session.find("fallback-use", endpoint=name, limit=1000, sort="-since"):
        if (ended := render.moment(use["until"])) is None or ended < since:
            break
        key = use["arm"], use["answered_by"], use["cause"]
        before = sums.get(key, {"count": 0, "until": use["until"]})
        told = {"arm": key[0], "answered_by": key[1], "cause": key[2]}
        sums[key] = told | {"count": before["count"] + use["count"], "until": max(before["until"], use["until"])}
    return sorted(sums.values(), key=lambda row: -row["count"])


def _constant(text: str | None) -> Any:
    if text is None:
        return None
    found = value(text, "--constant")
    if not isinstance(found, dict):
        raise Usage("outputs are names and values", field="--constant", hint="for example --constant '{hold: false}'")
    return found
