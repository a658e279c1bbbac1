"""`modelyard identity | role | token | policy`: who may do what."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import text_of
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, LISTING, READING, Changing, Listing, Reading
from modelyard.cli.session import Session, say

Role = Literal["viewer", "developer", "validator", "operator", "business_owner", "risk_officer", "administrator"]
identity = App(name="identity", help="People and service accounts.")
role = App(name="role", help="What identities may do.")
token = App(name="token", help="What identities present. The secret is made here and never sent.")
policy = App(name="policy", help="Cedar policies: versioned, proposed by one, activated by another.")


@identity.command(name="create")
def create_identity(
    name: str,
    /,
    *,
    display_name: Annotated[str | None, Parameter(help="The name for people; NAME when left out.")] = None,
    kind: Literal["person", "service"] = "person",
    email: str | None = None,
    how: Changing = CHANGING_,
) -> int:
    """Make a person or a service account known."""
    session = Session(how)
    fields = {"name": name, "display_name": display_name or name, "kind": kind, "email": email}
    made = session.change("governance.create_identity", fields)
    steps = (f"modelyard role grant {name} ROLE --reason '…'", f"modelyard token issue {name}")
    return session.report("identity", made, f"created {name}", *steps)


@identity.command(name="list")
def list_identities(*, kind: Literal["person", "service"] | None = None, how: Listing = LISTING) -> int:
    """Show identities."""
    return Session(how).print_list("identity", kind=kind)


@identity.command(name="show")
def show_identity(name: str, /, *, how: Reading = READING) -> int:
    """Show an identity."""
    return Session(how).print_one("identity", name)


@identity.command(name="deactivate")
def deactivate(name: str, /, *, how: Changing = CHANGING_) -> int:
    """Close an identity: its tokens stop working at once."""
    session = Session(how)
    fields = {"identity": _id(session, name)}
    made = session.change("governance.deactivate_identity", fields, ask=f"Deactivate {name}?", why=True)
    return session.report("identity", made, f"deactivated {name}")


@role.command(name="grant")
def grant(identity: str, role: Role, /, *, how: Changing = CHANGING_) -> int:
    """Give a role. Nobody gives one to themselves."""
    session = Session(how)
    fields = {"identity": _id(session, identity), "role": role}
    made = session.change("governance.grant_role", fields, ask=f"Give {identity} the role {role}?", why=True)
    return session.report("role", made, f"{identity} is {role}")


@role.command(name="revoke")
def revoke_role(identity: str, role: Role, /, *, how: Changing = CHANGING_) -> int:
    """Take a role back."""
    session = Session(how)
    fields = {"identity": _id(session, identity), "role": role}
    made = session.change("governance.revoke_role", fields, ask=f"Take the role {role} from {identity}?", why=True)
    return session.report("role", made, f"{identity} is no longer {role}")


@role.command(name="list")
def list_roles(identity: str | None = None, /, *, role: Role | None = None, how: Listing = LISTING) -> int:
    """Show who was given which role."""
    session = Session(how)
    return session.print_list("role", identity=None if identity is None else _id(session, identity), role=role)


@token.command(name="issue")
def issue(
    identity: str,
    /,
    *,
    name: Annotated[str, Parameter(help="What it is for.")] = "cli",
    days: Annotated[float, Parameter(help="How long it is good for.")] = 90.0,
    scope: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(), show_default=False, help="`read`, `catalog.*`, an action; all that the roles allow when left out."
        ),
    ] = (),
    how: Changing = CHANGING_,
) -> int:
    """Make a token. It is printed once, on stdout; the server learns its digest alone."""
    from modelyard.governance.identity.secrets import mint

    session = Session(how)
    minted = mint()
    made = session.change(
        "governance.issue_token",
        {
            "identity": _id(session, identity),
            "name": name,
            "key": minted.key,
            "secret_digest": minted.digest,
            "scopes": list(scope),
            "expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat(),
        },
    )
    if how.dry_run:
        return session.report("token", made, "a token would be issued")
    if how.output in ("json", "yaml"):
        render.print_one({"token": minted.text} | made, how.output)
    else:
        sys.stdout.write(f"{minted.text}\n")
    say(f"token {made['id']} of {identity}, good until {render.when(made['expires_at'])}; it is not shown again")
    say("next: export MODELYARD_TOKEN=…, or modelyard login")
    return DONE


@token.command(name="list")
def list_tokens(identity: str | None = None, /, *, how: Listing = LISTING) -> int:
    """Show tokens, without their secrets."""
    session = Session(how)
    return session.print_list("token", identity=None if identity is None else _id(session, identity))


@token.command(name="revoke")
def revoke_token(token: str, /, *, how: Changing = CHANGING_) -> int:
    """Make a token useless from now on."""
    session = Session(how)
    made = session.change("governance.revoke_token", {"token": token}, ask=f"Revoke {token}?", why=True)
    return session.report("token", made, f"revoked {token}")


@policy.command(name="list")
def list_policies(*, how: Listing = LISTING) -> int:
    """Show the sets of policies. None is active: the shipped default holds."""
    return Session(how).print_list("policy")


@policy.command(name="export")
def export(
    policy_set: Annotated[str | None, Parameter(help="An id; the active set, or the shipped default, when left out.")] = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="A file instead of stdout.")] = None,
    how: Reading = READING,
) -> int:
    """Print a set of policies as Cedar."""
    session = Session(how)
    text = session.one("policy", policy_set)["text"] if policy_set else _active(session)
    if out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return DONE
    _write(out, text)
    say(f"written to {out}")
    return DONE


@policy.command(name="propose")
def propose(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True, help="A complete set of Cedar policies; `-` is stdin.")],
    /,
    *,
    note: str | None = None,
    how: Changing = CHANGING_,
) -> int:
    """Put a set of policies forward. Somebody else activates it."""
    session = Session(how)
    made = session.change("governance.propose_policies", {"text": text_of(file), "note": note}, why=True)
    return session.report("policy", made | {"text": "…"}, f"proposed {made['id']}", f"modelyard policy activate {made['id']}")


@policy.command(name="activate")
def activate(policy_set: str, /, *, how: Changing = CHANGING_) -> int:
    """Put a set of policies in force, after showing what changes."""
    import difflib

    session = Session(how)
    before, after = _active(session), session.one("policy", policy_set)["text"]
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), "active", policy_set, lineterm=""):
        say(line)
    made = session.change(
        "governance.activate_policies", {"policy_set": policy_set}, ask="Put these policies in force?", must_ask=True, why=True
    )
    return session.report("policy", made | {"text": "…"}, f"{policy_set} is in force")


def _active(session: Session) -> str:
    """The text of the set in force."""
    found = session.find("policy", state="active", limit=1)
    if found:
        return str(found[0]["text"])
    from modelyard.governance import policy as shipped

    return Path(shipped.__file__).with_name("default.cedar").read_text(encoding="utf-8")


def _id(session: Session, name: str) -> str:
    return str(session.one("identity", name)["id"])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error.strerror}", field=str(path)) from error
