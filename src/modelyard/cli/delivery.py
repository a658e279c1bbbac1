"""`modelyard release` and the verbs of delivery: deploy, promote, rollback, shares, stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.errors import Usage
from modelyard.cli.options import CHANGING_, LISTING, WATCHING, Changing, Listing, Watching
from modelyard.cli.session import Session, pairs

release = App(name="release", help="Signed statements of what may serve where.")


@release.command(name="issue")
def issue(
    approval: str,
    /,
    *,
    until: Annotated[str | None, Parameter(help="End sooner than was approved (ISO 8601).")] = None,
    network: Annotated[
        bool | None, Parameter(show_default=False, help="Whether to grant the network, where that was approved; granted then.")
    ] = None,
    how: Changing = CHANGING_,
) -> int:
    """Sign what an approval allows. Exits with 8 while people still have to decide."""
    from modelyard.cli.assurance import demand_decided

    session = Session(how)
    demand_decided(session, approval)
    made = session.change("governance.issue_release", {"approval": approval, "until": until, "network": network})
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
    runtime: Annotated[
        tuple[str, ...],
        Parameter(
            name="--runtime",
            negative=(),
            show_default=False,
            help="Address or home folder of a runtime, to be told directly: needs no control plane. May be repeated.",
        ),
    ] = (),
    order_key: Annotated[Path | None, Parameter(help="The file of `modelyard keys create-order-key`, for --runtime.")] = None,
    stop: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="With --runtime: stop this arm. May be repeated."),
    ] = (),
    hours: Annotated[float, Parameter(help="With --runtime: how long it holds unless the control plane takes it over.")] = 4.0,
    how: Changing = CHANGING_,
) -> int:
    """Return to what answered before, in one step; with --runtime also while the control plane is away."""
    if runtime:
        from modelyard.cli.orders import Wish, give_orders

        return give_orders(Wish(endpoint, to, stop, hours, order_key), runtime, how)
    if order_key is not None or stop:
        raise Usage("an order is for runtimes", field="--runtime", hint="name them; without them: modelyard stop ENDPOINT ARM")
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
