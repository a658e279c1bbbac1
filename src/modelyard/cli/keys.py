"""`modelyard keys`: the signing keys of the installation on this machine. Private halves never leave their files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import CHANGING_, READING, Changing, Reading
from modelyard.cli.session import Session, confirm, demand_terminal, say
from modelyard.cli.views import PLAIN

if TYPE_CHECKING:
    from modelyard.bootstrap import Settings
    from modelyard.storage.data_keys import DataKeys
    from modelyard.storage.key_files import KeyFiles


Home = Annotated[Path | None, Parameter(help="The installation's folder; MODELYARD_HOME when left out.")]
keys = App(name="keys", help="Signing keys, on the server's own machine.")
data = App(name="data", help="Keys that protected fields of decisions are encrypted with.")
keys.command(data)


@keys.command(name="list")
def list_keys(*, home: Home = None, how: Reading = READING) -> int:
    """Show each key with what it signs, its window and its state."""
    holder = _keys(home)
    active = {key_id: purpose.value for purpose, key_id in holder.active().items()}
    rows = [_row(root, active) for root in holder.roots().roots]
    render.print_rows(rows, PLAIN["key"], how.output)
    if not rows:
        say("there are no keys yet")
        say("next: modelyard up (makes them), or modelyard keys rotate PURPOSE")
    return DONE


@keys.command(name="rotate")
def rotate(
    key: Annotated[str, Parameter(help="A purpose (release, routes, audit) or the id of the key to replace.")],
    /,
    *,
    home: Home = None,
    how: Changing = CHANGING_,
) -> int:
    """Make a new key for a purpose and tell the server. What the older one signed stays valid."""
    from modelyard.core.clock import SystemClock

    holder, session = _keys(home), Session(how)
    purpose, old = _purpose(holder, key)
    if how.dry_run:
        say(f"dry run, nothing kept: a new key would sign {purpose.value} instead of {old}")
        return DONE
    reason = session.reason(required=True)
    signer = holder.rotate(purpose, SystemClock().now())
    root = holder.roots().get(signer.key_id)
    fields = {"key_id": signer.key_id, "purposes": [purpose.value], "public_pem": root.public_key, "replaces": old}
    code = _tell_server(session, "governance.register_key", fields, reason)
    render.print_one({"id": signer.key_id, "purpose": purpose.value, "replaces": old}, how.output)
    say("next: modelyard keys export-roots, and give the file to every runtime and auditor")
    return code


@keys.command(name="revoke")
def revoke(key_id: str, /, *, home: Home = None, how: Changing = CHANGING_) -> int:
    """Trust a lost or stolen key no more: every release that it signed is revoked."""
    from modelyard.core.clock import SystemClock

    holder, session = _keys(home), Session(how)
    root = next((r for r in holder.roots().roots if r.key_id == key_id), None)
    if root is None:
        raise Usage(f"there is no key {key_id}", field="KEY-ID", hint="modelyard keys list")
    if how.dry_run:
        say(f"dry run, nothing kept: {key_id} would be revoked")
        return DONE
    reason = session.reason(required=True)
    if not how.yes:
        demand_terminal()
        confirm(f"Revoke {key_id} and all that it signed?")
    code = _tell_server(session, "governance.revoke_key", {"key_id": key_id, "cause": reason}, reason)
    holder.revoke(key_id, SystemClock().now())
    say(f"revoked {key_id}")
    say("next: modelyard keys export-roots, and give the file to every runtime and auditor")
    return code


@keys.command(name="create-order-key")
def create_order_key(
    *,
    out: Annotated[Path, Parameter(help="The new file, which only you can read; beside it .pub, its public half.")],
    how: Changing = CHANGING_,
) -> int:
    """Make a key of your own for orders to runtimes, and register it under your name. Do it before the control plane is away."""
    from modelyard.cli.orders import HOLDER
    from modelyard.trust import Ed25519Signer

    session, signer = Session(how), Ed25519Signer.generate()
    holder = session.get("/me")["id"]
    public = signer.public_key.pem
    fields = {"key_id": signer.key_id, "purposes": ["order"], "public_pem": public, "holder": holder}
    if not how.dry_run:
        _write_new(out, f"{HOLDER}{holder}\n".encode() + signer.private_pem(), 0o600)
    try:
        made = session.change("governance.register_key", fields)
    except BaseException:
        if not how.dry_run:
            out.unlink(missing_ok=True)
        raise
    if not how.dry_run:
        out.with_name(f"{out.name}.pub").write_text(public)
    step = f"modelyard keys trust {out.name}.pub, on the server's machine; then the roots file goes to every runtime"
    return session.report("key", made, f"key {signer.key_id[:16]} signs orders in your name", step)


@keys.command(name="trust")
def trust_key(
    public: Annotated[Path, Parameter(help="The .pub file that an operator's create-order-key wrote.")],
    /,
    *,
    days: Annotated[int, Parameter(help="How long it is trusted.")] = 365,
    endpoint: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="Orders about this endpoint alone; may be repeated. Any, when left out."),
    ] = (),
    home: Home = None,
) -> int:
    """Trust an operator's key for orders: it comes into the roots file, on the server's machine."""
    import re
    from datetime import timedelta

    from modelyard.core.clock import SystemClock
    from modelyard.delivery.commands import NAME
    from modelyard.trust import PublicKey, Purpose

    try:
        key = PublicKey.from_pem(public.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{public} cannot be read: {error}", field="PUBLIC") from error
    if not 1 <= days <= 5 * 366:
        raise Usage("a key is trusted for some days", field="--days", hint="from 1 to 1830")
    for name in endpoint:
        if re.fullmatch(NAME, name) is None:
            raise Usage(f"{name!r} is no endpoint's name", field="--endpoint", hint="modelyard endpoint list")
    now = SystemClock().now()
    root = _keys(home).trust(key, Purpose.ORDER, now, now + timedelta(days=days), endpoint)
    about = f" about {', '.join(root.endpoints)}" if root.endpoints else ""
    say(f"{root.short} may sign orders{about} until {render.when(root.not_after)}")
    say("next: modelyard keys export-roots, and give the file to every runtime")
    return DONE


@keys.command(name="export-roots")
def export_roots(
    *,
    home: Home = None,
    out: Annotated[Path | None, Parameter(help="A file instead of stdout.")] = None,
) -> int:
    """Print the trust roots: public keys only. A copy is what runtimes and auditors trust."""
    text = _keys(home).roots().to_json()
    if out is None:
        sys.stdout.write(text.decode())
        return DONE
    try:
        out.write_bytes(text)
    except OSError as error:
        raise Usage(f"{out} cannot be written: {error.strerror}", field=str(out)) from error
    say(f"written to {out}")
    return DONE


@data.command(name="list")
def list_data_keys(*, home: Home = None, how: Reading = READING) -> int:
    """Show the keys that protected fields of decisions are encrypted with, the present one first."""
    ids = _data_keys(home).ids()
    rows = [{"id": key, "status": "retired" if number else "active"} for number, key in enumerate(ids)]
    render.print_rows(rows, "ID=id STATUS=status:status", how.output)
    if not rows:
        say("there is no data key yet")
        say("next: modelyard keys data rotate")
    return DONE


@data.command(name="rotate")
def rotate_data_key(*, home: Home = None, how: Reading = READING) -> int:
    """Make a new data key. What older ones encrypted stays readable: they stay in the file."""
    made = _data_keys(home).rotate()
    render.print_one({"id": made, "file": str(_settings(home).data_keys)}, how.output)
    say("next: give the file, as it is now, to every runtime that encrypts, and restart it")
    return DONE


def _data_keys(home: Path | None) -> DataKeys:
    from modelyard.storage.data_keys import DataKeys

    return DataKeys(_settings(home).data_keys)


def _settings(home: Path | None) -> Settings:
    """Those of the installation on this machine. Raises Usage when there is none."""
    from modelyard.bootstrap import Settings

    found = Settings.from_environment(home=home)
    if not found.home.is_dir():
        raise Usage(
            f"there is no installation in {found.home}",
            field="--home",
            hint="keys are on the server's machine: set MODELYARD_HOME",
        )
    return found


def _keys(home: Path | None) -> KeyFiles:
    from modelyard.storage.key_files import KeyFiles

    return KeyFiles(_settings(home).home / "keys")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """A file that was not there before. Raises Usage: what is there may be the only copy of a key."""
    import os

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise Usage(f"{path} cannot be made: {error.strerror}", field="--out", hint="choose a new file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _purpose(holder: KeyFiles, key: str) -> tuple[Any, str | None]:
    from modelyard.trust.keys import OF_THE_PLATFORM

    active = holder.active()
    for purpose in OF_THE_PLATFORM:
        if key in (purpose.value, active.get(purpose)):
            return purpose, active.get(purpose)
    raise Usage(f"{key!r} is neither a purpose nor an active key", field="KEY", hint="modelyard keys list")


def _row(root: Any, active: dict[str, str]) -> dict[str, Any]:
    told = root.model_dump(mode="json")
    somebodys = told["purposes"] == ["order"]  # an operator's: nothing of the platform's is signed with it
    status = "revoked" if told.get("revoked_at") else "active" if root.key_id in active or somebodys else "retired"
    return {"id": root.key_id, "purposes": sorted(told["purposes"]), "status": status} | {
        name: told.get(name) for name in ("not_before", "not_after", "endpoints")
    }


def _tell_server(session: Session, action: str, fields: dict[str, Any], reason: str) -> int:
    """The database's record of the key; without a server the key works all the same, and this says what is left to do."""
    from modelyard.core.errors import ModelyardError

    try:
        session.http.change(action, {k: v for k, v in fields.items() if v is not None}, reason=reason)
    except ModelyardError as error:
        say(f"the key files are changed, but the server was not told: {error}")
        say("next: start the server with modelyard up; it registers the keys that it finds")
        return FAILED
    return DONE
