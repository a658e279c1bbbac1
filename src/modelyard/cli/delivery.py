"""`modelyard release | endpoint` and the verbs of delivery: deploy, promote, rollback, shares, stop."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import value
from modelyard.cli.errors import Usage
from modelyard.cli.options import CHANGING_, LISTING, WATCHING, Changing, Listing, Watching
from modelyard.cli.session import Session, pairs

Stale = Literal["serve", "fallback", "refuse"]
release = App(name="release", help="Signed statements of what may serve where.")
endpoint = App(name="endpoint", help="Stable names that callers use.")


@release.command(name="issue")
def issue(
    approval: str,
    /,
    *,
    until: Annotated[str | None, Parameter(help="End sooner than was approved (ISO 8601).")] = None,
    how: Changing = CHANGING_,
) -> int:
    """Sign what an approval allows. Exits with 8 while people still have to decide."""
    from modelyard.cli.assurance import demand_decided

    session = Session(how)
    demand_decided(session, approval)
    made = session.change("governance.issue_release", {"approval": approval, "until": until})
    next_step = f"modelyard deploy {made['endpoints'][0]} {made['id']} --reason '…'"
    return session.report("release", made, f"issued {made['id']}, good until {render.when(made['until'])}", next_step)


@release.command(name="list")
def list_releases(
    *, model: str | None = None, use_case: str | None = None, approval: str | None = None, how: Listing = LISTING
) -> int:
    """Show releases."""
    return Session(how).print_list("release", model=model, use_case=use_case, approval=approval)


@release.command(name="show")
def show_release(release: str, /, *, how: Watching = WATCHING) -> int:
    """Show a release with its signed envelope."""
    return Session(how).print_one("release", release)


@release.command(name="revoke")
def revoke(release: str, /, *, how: Changing = CHANGING_) -> int:
    """End a release now: no runtime serves it from its next snapshot on."""
    session = Session(how)
    cause = session.reason(required=True) or "dry run"
    made = session.change("governance.revoke_release", {"release": release, "cause": cause}, ask=f"Revoke {release}?")
    return session.report("release", made, f"revoked {release}")


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
    """Show an endpoint."""
    return Session(how).print_one("endpoint", name)


@endpoint.command(name="changes")
def list_deployments(endpoint: str | None = None, /, *, how: Listing = LISTING) -> int:
    """Show what was deployed, promoted and rolled back, by whom and why."""
    return Session(how).print_list("deployment", endpoint=endpoint)


def deploy(
    endpoint: str,
    release: str,
    /,
    *,
    role: Literal["champion", "challenger", "shadow", "fallback"] = "champion",
    share: Annotated[float | None, Parameter(help="Of the traffic, from 0 to 1.")] = None,
    arm: Annotated[str | None, Parameter(help="The arm's name; v<number> when left out.")] = None,
    how: Changing = CHANGING_,
) -> int:
    """Put a released version behind an endpoint."""
    fields = {"endpoint": endpoint, "release": release, "role": role, "share": share, "arm": arm}
    steps = (f"modelyard shares {endpoint} ARM=SHARE …", f"modelyard promote {endpoint} ARM --reason '…'")
    return _route("delivery.deploy", fields, how, f"Deploy as {role}?", () if role == "champion" else steps)


def promote(endpoint: str, arm: str, /, *, how: Changing = CHANGING_) -> int:
    """Make a challenger the champion with all traffic."""
    step = (f"modelyard rollback {endpoint} --reason '…'  (leads back)",)
    return _route("delivery.promote", {"endpoint": endpoint, "arm": arm}, how, f"Promote {arm}?", step)


def rollback(
    endpoint: str,
    /,
    *,
    to: Annotated[str | None, Parameter(help="An earlier version; without it, the arms before the last change.")] = None,
    how: Changing = CHANGING_,
) -> int:
    """Return to what answered before, in one step."""
    return _route("delivery.rollback", {"endpoint": endpoint, "version": to}, how, f"Roll {endpoint} back?", ())


def shares(endpoint: str, /, *share: str, how: Changing = CHANGING_) -> int:
    """Set the live arms' shares of traffic, as ARM=SHARE; they add up to one."""
    found = {}
    for name, text in pairs(share, "ARM=SHARE").items():
        try:
            found[name] = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError as error:
            raise Usage(f"{text!r} is not a share", field=name, hint="0.1 or 10%") from error
    if not found:
        raise Usage("no shares are given", hint=f"modelyard shares {endpoint} v1=90% v2=10%")
    return _route("delivery.set_shares", {"endpoint": endpoint, "shares": found}, how, "Set these shares?", ())


def stop(endpoint: str, arm: str, /, *, how: Changing = CHANGING_) -> int:
    """Take an arm away; its share goes to the champion."""
    return _route("delivery.stop_arm", {"endpoint": endpoint, "arm": arm}, how, f"Stop {arm}?", ())


def _route(action: str, fields: dict[str, Any], how: Changing, ask: str, steps: tuple[str, ...]) -> int:
    session = Session(how)
    made = session.change(action, fields, ask=ask, why=True)
    return session.report("endpoint", made, f"{made['name']}: {render.arms(made['arms'])} (epoch {made['epoch']})", *steps)


def _constant(text: str | None) -> Any:
    if text is None:
        return None
    found = value(text, "--constant")
    if not isinstance(found, dict):
        raise Usage("outputs are names and values", field="--constant", hint="for example --constant '{hold: false}'")
    return found
