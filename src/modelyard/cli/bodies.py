"""The body of a command from what was typed: flags, `--set path=value`, and a file of YAML or JSON; later ones win."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from modelyard.cli.errors import Usage
from modelyard.cli.session import pairs

GREATEST_FILE = 16 << 20
Sets = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        show_default=False,
        negative=(),
        help="`path.to.field=value` of the record (the value is YAML); may be repeated.",
    ),
]
FromFile = Annotated[
    Path | None,
    Parameter(name=("--file", "-f"), allow_leading_hyphen=True, help="YAML or JSON with the record's fields; `-` is stdin."),
]


def body(file: Path | None, sets: Sequence[str], **flags: Any) -> dict[str, Any]:
    """The fields of a command. Raises Usage for what cannot be read."""
    found = dict(document(file)) if file is not None else {}
    found |= {name: value for name, value in flags.items() if value not in (None, "", ())}
    for path, text in pairs(sets, "--set").items():
        _put(found, path, value(text, f"--set {path}"))
    return found


def document(path: Path) -> Mapping[str, Any]:
    """A file that holds one mapping. Raises Usage."""
    found = value(text_of(path), str(path))
    if not isinstance(found, Mapping):
        raise Usage(f"{path} does not hold fields and values", field=str(path), hint="write `name: value` lines")
    return found


def text_of(path: Path) -> str:
    """A text file, or stdin for `-`. Raises Usage when it cannot be read or is far too large."""
    try:
        if str(path) == "-":
            text = sys.stdin.read(GREATEST_FILE + 1)
        else:
            with path.open(encoding="utf-8") as file:
                text = file.read(GREATEST_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} cannot be read: {error}", field=str(path)) from error
    if len(text) > GREATEST_FILE:
        raise Usage(f"{path} has more than {GREATEST_FILE >> 20} MiB", field=str(path))
    return text


def value(text: str, where: str) -> Any:
    """A value written as YAML (so JSON too). Times stay text. Raises Usage, also for what JSON cannot carry."""
    import json

    import yaml

    class Plain(yaml.SafeLoader):
        """Dates are left as they were written: the server reads them."""

    Plain.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:timestamp"]
        for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        found = yaml.load(text, Loader=Plain)  # noqa: S506 -- a SafeLoader without dates
        json.dumps(found, allow_nan=False)
        return found
    except TypeError as error:
        raise Usage(f"{where} is nothing that JSON can carry: {error}", field=where) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = " ".join(str(error).split())[:200]
        raise Usage(f"{where} is not YAML or JSON: {problem}", field=where) from error


def _put(found: dict[str, Any], path: str, what: Any) -> None:
    *parents, last = path.split(".")
    here = found
    for step in parents:
        inner = here.get(step)
        here[step] = dict(inner) if isinstance(inner, Mapping) else {}
        here = here[step]
    here[last] = what
