"""`modelyard deploy`: put a version behind an endpoint; and where the platform itself runs: manifests, image, first start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from modelyard.cli.delivery import deploy as put_behind
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.session import say

if TYPE_CHECKING:
    from modelyard.delivery.targets import Reference, Target

deploy = App(name="deploy", help="Put a released version behind an endpoint.")
deploy.default(put_behind)
_STDOUT = "-"
_DOCKERFILE = "Dockerfile"


@deploy.command(name="render")
def render_target(
    *,
    values: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="YAML that describes the place to run in; - for stdin.")
    ] = None,
    out: Annotated[str, Parameter(allow_leading_hyphen=True, help="A folder, or - for stdout.")] = _STDOUT,
    kserve: Annotated[
        bool, Parameter(negative=(), show_default=False, help="A KServe ServingRuntime and InferenceService instead.")
    ] = False,
    dockerfile: Annotated[bool, Parameter(negative=(), show_default=False, help="The Dockerfile instead.")] = False,
    overwrite: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Replace files that are there and say something else.")
    ] = False,
    name: str | None = None,
    namespace: str | None = None,
    image: str | None = None,
    replicas: Annotated[int | None, Parameter(help="Runtimes.")] = None,
    segments: Annotated[str | None, Parameter(help="Where runtimes ship their decision log: s3://bucket/prefix.")] = None,
    acknowledge: Annotated[
        Literal["local", "object-store"] | None, Parameter(help="After what an answer is acknowledged.")
    ] = None,
) -> int:
    """Write what a cluster needs to run the platform: Kubernetes manifests, a KServe runtime, or the Dockerfile."""
    from modelyard import __version__
    from modelyard.delivery import targets

    if kserve and dockerfile:
        raise Usage("one thing at a time", field="--kserve", hint="leave out --kserve or --dockerfile")
    if dockerfile:
        _write(out, {_DOCKERFILE: targets.dockerfile(__version__)}, overwrite)
        return DONE
    given = {"name": name, "namespace": namespace, "image": image, "replicas": replicas}
    target = targets.read_target(_read(values), **given, segments=segments, acknowledge=acknowledge)
    documents = targets.kserve(target) if kserve else targets.kubernetes(target)
    if out == _STDOUT:
        _write(out, {"": targets.as_yaml(documents)}, overwrite)
    else:
        _write(out, targets.by_file(documents), overwrite)
    _tell(target, targets.references(target, control_plane=not kserve))
    return DONE


@deploy.command(name="initialise")
def initialise(
    *, home: Annotated[Path | None, Parameter(help="The installation's folder; MODELYARD_HOME when left out.")] = None
) -> int:
    """Migrate the database; make keys, gates and the first administrator where there are none. Safe to repeat."""
    from modelyard.bootstrap import Settings, build, first_start, runtime_token

    platform = build(Settings.from_environment(home=home))
    try:
        administrator = first_start(platform)
        token = runtime_token(platform)
    finally:
        platform.close()
    say(f"the database is at the present schema; keys and the runtime's token are in {token.parent}")
    if administrator is not None:
        say("the administrator's token, shown this once:")
        sys.stdout.write(administrator + "\n")
    return DONE


def _read(values: str | None) -> str:
    if values is None:
        return ""
    if values == _STDOUT:
        return sys.stdin.read()
    try:
        return Path(values).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"cannot read {values}: {error}", field="--values") from error


def _write(out: str, files: dict[str, str], overwrite: bool) -> None:
    if out == _STDOUT:
        sys.stdout.write("".join(files.values()))
        return
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        changed = [folder / name for name, text in files.items() if _differs(folder / name, text)]
        if changed and not overwrite:
            names = ", ".join(str(path) for path in changed)
            raise Usage(
                f"somebody has written something else there: {names}", field="--out", hint="--overwrite, or another folder"
            )
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Usage(f"cannot write to {folder}: {error.strerror or error}", field="--out") from error
    say(f"wrote {', '.join(str(folder / name) for name in files)}")


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8", errors="replace") != text


def _tell(target: Target, references: tuple[Reference, ...]) -> None:
    say(f"before pods of {target.namespace} can start, these must be there:")
    for reference in references:
        say(f"  {reference.kind} {reference.name} ({', '.join(reference.keys)}): {reference.what}")
        say(f"      {reference.how}")
    if target.segments is None:
        say("the decision log stays on each runtime's volume: name --segments to have it collected")
