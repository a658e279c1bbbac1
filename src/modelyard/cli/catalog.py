"""`modelyard use-case | model | version`, and the short forms `list`, `show`, `search`, `diff`, `history`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import FromFile, Sets, body, value
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import CHANGING_, LISTING, READING, WATCHING, Changing, Listing, Reading, Watching
from modelyard.cli.session import Session, say, segment
from modelyard.cli.views import PLAIN, VIEWS

Tier = Literal["low", "medium", "high", "critical"]
PREFIXES = {
    "uc": "use-case", "rsk": "assessment", "mdl": "model", "ver": "version", "evd": "evidence", "apr": "approval",
    "rel": "release", "end": "endpoint", "gate": "gate", "idn": "identity", "tok": "token", "job": "job", "mon": "monitor",
    "alr": "alert", "aud": "audit",
}  # fmt: skip

use_case = App(name="use-case", help="Business decisions to be made: owner, purpose, value, risk tier.")
model = App(name="model", help="What makes or informs a decision.")
version = App(name="version", help="Immutable states of a model.")


@use_case.command(name="register")
def register_use_case(
    name: str,
    /,
    *,
    title: str | None = None,
    description: str | None = None,
    owner: Annotated[str | None, Parameter(help="Who answers for the decision.")] = None,
    tier: Tier | None = None,
    tag: tuple[str, ...] = (),
    file: FromFile = None,
    sets: Sets = (),
    how: Changing = CHANGING_,
) -> int:
    """Make a business decision known."""
    fields = body(file, sets, title=title, description=description, business_owner=owner, tier=tier, tags=tag)
    session = Session(how)
    made = session.change("catalog.register_use_case", fields | {"name": name})
    return session.report("use-case", made, f"registered use case {name}", f"modelyard model register NAME --use-case {name}")


@use_case.command(name="update")
def update_use_case(
    name: str,
    /,
    *,
    title: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    tier: Tier | None = None,
    tag: tuple[str, ...] = (),
    clear: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="A field to empty; may be repeated.")] = (),
    file: FromFile = None,
    sets: Sets = (),
    how: Changing = CHANGING_,
) -> int:
    """Change what is given; a section of the record is replaced as a whole."""
    fields = body(file, sets, title=title, description=description, business_owner=owner, tier=tier, tags=tag, clear=clear)
    return _update(Session(how), "use-case", name, "catalog.update_use_case", fields)


@use_case.command(name="assess")
def assess_use_case(
    name: str,
    /,
    *,
    tier: Annotated[Tier | None, Parameter(help="Another tier than the rule gives: a risk officer's word.")] = None,
    rationale: Annotated[str | None, Parameter(help="Why another tier.")] = None,
    file: FromFile = None,
    sets: Sets = (),
    how: Changing = CHANGING_,
) -> int:
    """Rate the risk of a use case by the rule in force; the file (or --set) gives what it is rated on. Sets its tier."""
    if (tier is None) != (rationale is None):
        raise Usage("another tier and its rationale go together", field="--rationale", hint="give both, or neither")
    fields = {"use_case": name, "inputs": body(file, sets), "override": tier and {"tier": tier, "rationale": rationale}}
    session = Session(how)
    made = session.change("governance.assess_risk", fields)
    return session.report("assessment", made, f"{name} is of tier {made['tier']}, next review {made['next_review'][:10]}")


@use_case.command(name="assessments")
def list_assessments(
    name: Annotated[str | None, Parameter(help="Only those of this one.")] = None, /, *, how: Listing = LISTING
) -> int:
    """Show how use cases were rated."""
    return Session(how).print_list("assessment", use_case=name)


@use_case.command(name="list")
def list_use_cases(*, tier: Tier | None = None, how: Listing = LISTING) -> int:
    """Show use cases."""
    return Session(how).print_list("use-case", tier=tier)


@use_case.command(name="show")
def show_use_case(name: str, /, *, how: Watching = WATCHING) -> int:
    """Show one use case."""
    return Session(how).print_one("use-case", name)


@model.command(name="register")
def register_model(
    name: str,
    /,
    *,
    use_case: Annotated[str, Parameter(help="Name or id of the decision it makes or informs.")],
    kind: Annotated[str, Parameter(help="An installed kind.")] = "ml",
    description: str | None = None,
    owner: str | None = None,
    tag: tuple[str, ...] = (),
    file: FromFile = None,
    sets: Sets = (),
    how: Changing = CHANGING_,
) -> int:
    """Make a model known; versions are added with `modelyard register`."""
    fields = body(file, sets, use_case=use_case, kind=kind, description=description, owner=owner, tags=tag)
    session = Session(how)
    made = session.change("catalog.register_model", fields | {"name": name})
    return session.report("model", made, f"registered model {name}", f"modelyard register FILE --model {name}")


@model.command(name="update")
def update_model(
    name: str,
    /,
    *,
    description: str | None = None,
    owner: str | None = None,
    tag: tuple[str, ...] = (),
    clear: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="A field to empty; may be repeated.")] = (),
    file: FromFile = None,
    sets: Sets = (),
    how: Changing = CHANGING_,
) -> int:
    """Change what is given; a section of the record is replaced as a whole."""
    fields = body(file, sets, description=description, owner=owner, tags=tag, clear=clear)
    return _update(Session(how), "model", name, "catalog.update_model", fields)


@model.command(name="retire")
def retire_model(name: str, /, *, how: Changing = CHANGING_) -> int:
    """Retire a model and all its versions. It stays in the inventory."""
    session = Session(how)
    reason = session.reason(required=True)
    made = session.change("catalog.retire_model", {"model": name, "reason": reason or "dry run"}, ask=f"Retire {name}?")
    return session.report("model", made, f"retired model {name}")


@model.command(name="list")
def list_models(*, use_case: str | None = None, kind: str | None = None, how: Listing = LISTING) -> int:
    """Show models."""
    return Session(how).print_list("model", use_case=use_case, kind=kind)


@model.command(name="show")
def show_model(name: str, /, *, how: Watching = WATCHING) -> int:
    """Show one model."""
    return Session(how).print_one("model", name)


@version.command(name="list")
def list_versions(
    *,
    model: Annotated[str | None, Parameter(help="Only those of this model.")] = None,
    status: Literal["registered", "validated", "approved", "released", "retired"] | None = None,
    stage: str | None = None,
    how: Listing = LISTING,
) -> int:
    """Show versions."""
    return Session(how).print_list("version", model=model, status=status, stage=stage)


@version.command(name="show")
def show_version(version: str, /, *, how: Watching = WATCHING) -> int:
    """Show a version in full: `model@3`, `model@latest`, an id or a digest."""
    session = Session(how)

    def look() -> dict[str, Any]:
        detail = _detail(session, version)
        return {"state": session.one("version", detail["id"]), "version": detail}

    from modelyard.cli.session import watched

    watched(how, look, lambda found: _print_version(session, found["version"], found["state"]))
    return DONE


@version.command(name="inventory")
def inventory(version: str, /, *, how: Reading = READING) -> int:
    """Show the inventory record, each field with where its value came from."""
    session = Session(how)
    told = session.get(f"/versions/{segment(version)}/inventory")
    if how.output in ("json", "yaml", "name"):
        render.print_one(told, how.output, name="version_id")
        return DONE
    rows = [
        {"field": f"{title}.{name}"} | (found or {"source": "missing"})
        for title, fields in told["sections"].items()
        for name, found in fields.items()
    ]
    value = "VALUE=value" if how.output == "wide" else "VALUE=value:brief"
    render.print_rows(rows, f"FIELD=field {value} SOURCE=source BY=by:short FROM=from | AT=at:when", how.output)
    return DONE


@version.command(name="retire")
def retire_version(version: str, /, *, how: Changing = CHANGING_) -> int:
    """Retire a version for ever. It stays in the inventory."""
    session = Session(how)
    reason = session.reason(required=True)
    fields = {"version": version, "reason": reason or "dry run"}
    made = session.change("catalog.retire_version", fields, ask=f"Retire {version} for ever?")
    return session.report("version", made, f"retired {version}")


@version.command(name="annotate")
def annotate(
    version: str,
    field: Annotated[str, Parameter(help="A field of the inventory, for example assurance.limitations.")],
    text: Annotated[str, Parameter(name="VALUE", help="The value, as YAML.")],
    /,
    *,
    note: str | None = None,
    how: Changing = CHANGING_,
) -> int:
    """Say an inventory field of a version anew; the earlier word is kept."""
    session = Session(how)
    fields = {"version": version, "field": field, "value": value(text, "VALUE"), "note": note}
    made = session.change("catalog.annotate_version", fields)
    return session.report("annotation", made, f"annotated {version}", f"modelyard version inventory {version}")


@version.command(name="checks")
def checks(
    version: str,
    /,
    *,
    test: Annotated[str | None, Parameter(help="A file of test rows with the true outcomes, or the digest of one.")] = None,
    label: Annotated[str | None, Parameter(help="The column of the true outcomes.")] = None,
    bounds: Annotated[
        Path | None, Parameter(name="--bounds", help="A modelyard.yaml whose `tests` are the bounds that measures must keep.")
    ] = None,
    wait: Annotated[bool, Parameter(negative=(), show_default=False, help="Wait for the job to end; 1 when it fails.")] = False,
    how: Changing = CHANGING_,
) -> int:
    """Test a version in a worker; the results become evidence."""
    from modelyard.cli.jobs import wait_for
    from modelyard.cli.register import blob_of, bounds_in

    session = Session(how)
    fields = {"version": version, "test": blob_of(session, test), "label": label, "bounds": bounds_in(bounds)}
    job = session.change("evaluation.run_checks", fields)
    if wait and not how.dry_run:
        job = wait_for(session, job["id"])
    code = FAILED if job.get("state") in ("dead", "cancelled", "failed") else DONE
    steps = (f"modelyard evidence list {version}", f"modelyard gate evaluate {version}")
    return session.report("job", job, f"checks of {version}: {job.get('state', 'queued')}", *steps) or code


def _update(session: Session, noun: str, name: str, action: str, fields: dict[str, Any]) -> int:
    if not fields:
        raise Usage("there is nothing to change", hint="name a field, --set path=value or --file")
    parameter = noun.replace("-", "_")
    revision = session.one(noun, name)["revision"]
    made = session.change(action, {"revision": revision} | fields | {parameter: name}, ask=f"Change {name}?")
    return session.report(noun, made, f"updated {name}")


def _detail(session: Session, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = session.get(f"/versions/{segment(reference)}/detail")
    return found


def _print_version(session: Session, detail: dict[str, Any], state: dict[str, Any]) -> None:
    output = session.how.output
    if output in ("json", "yaml", "name"):
        render.print_one(detail | {"status": state["status"], "stage": state["stage"]}, output)
        return
    manifest = dict(detail["manifest"])
    signature = manifest.pop("signature", None) or {}
    head = {"version": f"{detail['model']}@{detail['number']}", "status": state["status"], "stage": state["stage"]}
    rest = {k: v for k, v in detail.items() if k not in ("manifest", "model", "number", "revision", "organisation")}
    render.print_one(head | rest | {"manifest": manifest}, output)
    fields = [{"side": side[:-1]} | f for side in ("inputs", "outputs") for f in signature.get(side, ())]
    sys.stdout.write("\n")
    render.print_rows(fields, PLAIN["signature"], output)


# The short forms ---------------------------------------------------------------------------------------------------------


def list_any(noun: str = "model", /, *, how: Listing = LISTING) -> int:
    """List records of any kind, models by default."""
    singular = noun if noun in VIEWS else noun.removesuffix("s")
    if singular not in VIEWS:
        raise Usage(f"there are no records called {noun!r}", field="NOUN", hint=f"one of {', '.join(VIEWS)}")
    return Session(how).print_list(singular)


def show_any(reference: str, /, *, how: Watching = WATCHING) -> int:
    """Show a model by name, a version as model@3, anything else by id."""
    if "@" in reference or reference.startswith(("ver_", "sha256:")):
        return show_version(reference, how=how)
    noun = PREFIXES.get(reference.partition("_")[0], "model") if "_" in reference else "model"
    return Session(how).print_one(noun, reference)


def search(*words: str, how: Listing = LISTING) -> int:
    """Search use cases, models and versions by words."""
    if not words:
        raise Usage("nothing to search for", hint="modelyard search WORD…")
    session = Session(how)
    found = [
        record | {"type": noun, "name": _title(noun, record)}
        for noun in ("use-case", "model", "version")
        for record in session.find(noun, q=" ".join(words), limit=how.limit or None)
    ]
    rows = [r | {"status": r.get("status") or r.get("state") or r.get("tier")} for r in found]
    if rows or how.output in ("json", "yaml"):
        render.print_rows(rows if how.output in ("table", "wide") else found, PLAIN["found"], how.output, name="name")
    if not rows:
        say(f"nothing found for {' '.join(words)!r}")
        say("next: modelyard list model")
    return DONE


def diff(left: str, right: str, /, *, how: Reading = READING) -> int:
    """Compare two versions: signature, metrics, environment, recipe, lineage."""
    session = Session(how)
    told = session.get("/versions/diff", left=left, right=right)
    if how.output in ("json", "yaml"):
        render.print_one(told, how.output)
        return DONE
    from modelyard.catalog.diff import VersionDiff

    sections = VersionDiff.model_validate(told).sections()
    for section in sections:
        sys.stdout.write(f"{section.title}\n")
        for line in section.lines:
            sign = {"added": "+", "removed": "-", "changed": "~"}[line.mark]
            values = " → ".join(render.safe(v) for v in (line.before, line.after) if v)
            note = f" ({render.safe(line.note)})" if line.note else ""
            sys.stdout.write(f"  {sign} {render.safe(line.what)}: {values}{note}\n")
    if not sections:
        say(f"{left} and {right} do not differ")
    return DONE


def history(
    model: str,
    /,
    *,
    at: Annotated[str | None, Parameter(help="A moment (2026-05-01T12:00Z): what was in production then?")] = None,
    how: Reading = READING,
) -> int:
    """Show what happened to a model, or what of it served at a moment."""
    session = Session(how)
    if at is None:
        render.print_rows(session.get(f"/models/{segment(model)}/history"), PLAIN["history"], how.output, name="what")
        return DONE
    if render.moment(at) is None:
        raise Usage(f"{at!r} is not a time", field="--at", hint="for example 2026-05-01T12:00Z")
    served = session.get(f"/models/{segment(model)}/served", at=at)
    rows = [{"endpoint": s["endpoint"]} | s["arm"] for s in served]
    columns = "ENDPOINT=endpoint ARM=name ROLE=role SHARE=share:share VERSION=version SINCE=since:when"
    render.print_rows(rows if how.output in ("table", "wide") else served, columns, how.output, name="endpoint")
    if not rows:
        say(f"nothing of {model} was in production at {at}")
    return DONE


def _title(noun: str, record: dict[str, Any]) -> str:
    return f"{record['model']}@{record['number']}" if noun == "version" else str(record["name"])
