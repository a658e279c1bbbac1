"""`modelyard init` and `modelyard register`: a model as code becomes a version."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, Changing
from modelyard.cli.session import Session, ask_line, interactive, say

if TYPE_CHECKING:
    from modelyard.client.blobs import Uploaded
    from modelyard.client.working_copy import WorkingCopy

MANIFEST = "modelyard.yaml"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def init(
    artifact: Annotated[str | None, Parameter(help="The model's file, relative to here.")] = None,
    /,
    *,
    model: Annotated[str | None, Parameter(help="Name of the model.")] = None,
    use_case: Annotated[str | None, Parameter(help="Name of the use case.")] = None,
    sample: Annotated[str | None, Parameter(help="A file with a few rows.")] = None,
    folder: Annotated[Path, Parameter(help="Where to write.")] = Path(),
    force: Annotated[bool, Parameter(negative=(), show_default=False, help="Replace a file that is there.")] = False,
) -> int:
    """Write a first modelyard.yaml: a model as code."""
    from modelyard.catalog.first_file import FirstAnswers, answers_for, template

    path = folder / MANIFEST
    if path.exists() and not force:
        raise Usage(f"{path} is there already", field=str(path), hint="edit it, or add --force")
    said: dict[str, Any] = {"model": model, "use_case": use_case, "sample": sample}
    first = answers_for(artifact or "model.onnx").model_dump() | {k: v for k, v in said.items() if v is not None}
    if interactive() and artifact is None and model is None:
        for field in ("artifact", "model", "use_case"):
            first[field] = ask_line(f"{field.replace('_', ' ')} [{first[field]}]: ") or first[field]
    text = template(_validated(FirstAnswers, first))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error.strerror}", field=str(path)) from error
    sys.stdout.write(f"{path}\n")
    say("next: edit it, then modelyard register")
    return DONE


def register(
    artifact: Annotated[
        Path | None, Parameter(help="The model's file; without it, modelyard.yaml in this folder says everything.")
    ] = None,
    /,
    *,
    model: Annotated[str | None, Parameter(help="Name of a registered model, with an artifact.")] = None,
    manifest: Annotated[Path, Parameter(name=("--manifest", "-f"), help="The manifest or its folder.")] = Path(),
    sample: Annotated[Path | None, Parameter(help="A small file of rows: Parquet, Arrow or CSV.")] = None,
    lock: Annotated[Path | None, Parameter(help="Hashed requirements that the model runs with.")] = None,
    exclude: Annotated[
        tuple[str, ...], Parameter(negative=(), show_default=False, help="A column of the sample that is no input.")
    ] = (),
    parent: Annotated[
        tuple[str, ...], Parameter(negative=(), show_default=False, help="A version that this one was made from.")
    ] = (),
    metric: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="`name=value`; may be repeated.")] = (),
    tag: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    notes: str | None = None,
    translate: Annotated[bool, Parameter(help="Whether a faster form with the same answers may serve.")] = True,
    how: Changing = CHANGING_,
) -> int:
    """Upload an artifact and register it as the next version of its model."""
    session = Session(how)
    if artifact is not None:
        if model is None:
            raise Usage("an artifact is registered as a version of a model", field="--model", hint="add --model NAME")
        fields = _from_flags(session, artifact, sample, lock)
    else:
        fields = _from_manifest(session, manifest)
    more = {
        "parents": list(parent),
        "metrics": {name: {"value": value} for name, value in numbers(metric).items()},
        "tags": list(tag),
        "notes": notes,
        "model": model,
    }
    fields |= {name: value for name, value in more.items() if value}
    if exclude:
        fields["signature"] = fields.get("signature", {}) | {"exclude": list(exclude)}
    if not translate:
        fields["translate"] = False
    return _registered(session, _answer(session, fields))


def blob_of(session: Session, file: str | None) -> str | None:
    """The digest of a blob that is named by its digest or uploaded from a file."""
    if file is None or _DIGEST.fullmatch(file):
        return file
    return _upload(session, Path(file)).digest


def bounds_in(file: Path | None) -> list[dict[str, Any]]:
    """The `tests` of a modelyard.yaml as bounds on measures. Raises for a test that names other data or parameters: those are
    not acted on yet, and a bound that is passed over in silence would be worse than none."""
    if file is None:
        return []
    from modelyard.catalog.manifest_file import parse

    found = []
    for number, test in enumerate(parse(file.read_text("utf-8"), file.name).tests):
        if test.parameters or test.data not in ("", "test"):
            raise Usage(
                f"tests[{number}] of {file.name}: only bounds on the test data, without parameters, can be checked here",
                hint="leave out `parameters`, and `data` unless it is `test`",
            )
        found.append(test.model_dump(mode="json", include={"measure", "minimum", "maximum", "by"}, exclude_none=True))
    return found


def _from_flags(session: Session, artifact: Path, sample: Path | None, lock: Path | None) -> dict[str, Any]:
    from modelyard.client.working_copy import as_file, git_of

    _demand_there(artifact)
    with as_file(artifact) as file:
        fields: dict[str, Any] = {"artifact": _upload(session, file).digest, "filename": file.name}
    facts = git_of(artifact.absolute().parent)
    if facts is not None:
        fields["git"] = facts.model_dump(mode="json")
    return fields | _beside(session, sample, lock)


def _from_manifest(session: Session, where: Path) -> dict[str, Any]:
    from modelyard.client.working_copy import as_file, gather

    found = gather(where)
    said = found.version
    for path in (found.artifact, found.sample, found.lock):
        if path is not None:
            _demand_there(path)
    _ensure_use_case(session, found)
    _ensure_model(session, found)
    with as_file(found.artifact) as file:
        fields: dict[str, Any] = {"artifact": _upload(session, file).digest, "filename": file.name}
    fields |= _beside(session, found.sample, found.lock)
    recipe = found.recipe()
    fields |= {
        "model": found.manifest.model.name,
        "signature": found.declared(),
        "translate": found.manifest.policy.translate,
        "parents": list(said.parents),
        "data": [d.model_dump(mode="json") for d in found.data],
        "git": None if found.git is None else found.git.model_dump(mode="json"),
        "recipe": None if recipe is None else recipe.model_dump(mode="json"),
        "metrics": found.metrics,
        "notes": said.notes,
        "tags": list(said.tags),
        "compute": said.compute,
        "limitations": list(said.limitations),
    }
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _beside(session: Session, sample: Path | None, lock: Path | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if sample is not None:
        fields |= {"sample": _upload(session, sample).digest, "sample_filename": sample.name}
    if lock is not None:
        fields["environment_lock"] = _upload(session, lock).digest
    return fields


def _ensure_use_case(session: Session, found: WorkingCopy) -> None:
    section = found.manifest.use_case.model_dump(mode="json", exclude_unset=True)
    _ensure(session, "use-case", "catalog.register_use_case", section)


def _ensure_model(session: Session, found: WorkingCopy) -> None:
    section = found.manifest.model.model_dump(mode="json", exclude_unset=True)
    kind = section.get("kind") or kind_of(found.artifact)
    fields = section | {"kind": kind, "use_case": found.manifest.use_case.name}
    _ensure(session, "model", "catalog.register_model", fields)


def kind_of(artifact: Path) -> str:
    """The kind that knows the artifact, which is read and not run; `ml` when none does, and the server says what is wrong."""
    from modelyard.core.errors import InvalidInput, Unavailable
    from modelyard.kinds.contract import Policy
    from modelyard.kinds.registry import detect

    try:
        return detect(artifact, Policy()).kind
    except (InvalidInput, Unavailable):
        return "ml"


def _ensure(session: Session, noun: str, action: str, fields: dict[str, Any]) -> None:
    """Register it unless a record of its name exists."""
    from modelyard.core.errors import NotFound

    try:
        session.one(noun, fields["name"])
    except NotFound:
        if isinstance(session.how, Changing) and session.how.dry_run:
            raise Usage(
                f"the {noun} {fields['name']!r} does not exist yet, so nothing can be tried on it",
                field="--dry-run",
                hint=f"modelyard {noun} register {fields['name']}",
            ) from None
        session.change(action, fields)
        say(f"registered {noun} {fields['name']}")


def _upload(session: Session, path: Path) -> Uploaded:
    from modelyard.client.blobs import upload

    _demand_there(path)
    on_terminal = sys.stderr.isatty()

    def progress(done: int, size: int) -> None:
        if on_terminal and size > 1 << 22:
            sys.stderr.write(f"\ruploading {render.safe(path.name)} {done * 100 // max(1, size)}%")

    sent = upload(session.http, path, progress)
    if on_terminal and sent.size > 1 << 22:
        sys.stderr.write("\r")
    say(f"uploaded {path.name}: {sent.size:,} bytes, {sent.digest[:19]}…")
    return sent


def _answer(session: Session, fields: dict[str, Any]) -> dict[str, Any]:
    """Let the version in; the server examines the artifact, so this may take minutes."""
    import uuid

    how = session.how
    assert isinstance(how, Changing)
    answer = session.http.request(
        "POST",
        "/versions",
        json=fields,
        params={"reason": how.reason or None, "dry_run": "true" if how.dry_run else None},
        key=how.key or uuid.uuid4().hex,
        timeout=max(how.timeout, 900.0),
    )
    told: dict[str, Any] = answer.json()
    return told


def _registered(session: Session, told: dict[str, Any]) -> int:
    version = told["version"]
    name = f"{version['model']}@{version['number']}"
    for difference in told.get("differences", ()):
        say(f"signature: {difference}")
    if told.get("translation"):
        say(told["translation"])
    how = session.how
    assert isinstance(how, Changing)
    if how.output in ("json", "yaml", "name"):
        return session.report("version", told if how.output != "name" else version, f"registered {name}")
    render.print_one(
        {
            "version": name,
            "id": version["id"],
            "digest": version["manifest_digest"],
            "format": version["manifest"]["artifact"]["format"],
            "inputs": len(version["manifest"]["signature"]["inputs"]),
            "outputs": [o["name"] for o in version["manifest"]["signature"]["outputs"]],
        },
        how.output,
    )
    say(f"dry run, nothing kept: would register {name}" if how.dry_run else f"registered {name}")
    if not how.dry_run:
        say(f"next: modelyard version checks {name}")
    return DONE


def numbers(given: tuple[str, ...]) -> dict[str, float]:
    """`name=value` options as numbers. Raises Usage."""
    from modelyard.cli.session import pairs

    found = {}
    for name, text in pairs(given, "--metric").items():
        try:
            found[name] = float(text)
        except ValueError as error:
            raise Usage(f"{text!r} is not a number", field=f"--metric {name}") from error
    return found


def _demand_there(path: Path) -> None:
    if not path.exists():
        raise Usage(f"{path} is not there", field=str(path), hint="check the path; it is relative to this folder")


def _validated(kind: Any, values: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise Usage(fault["msg"], field=".".join(str(s) for s in fault["loc"])) from error
