"""Work that a command does itself, on the machine of a runtime: where that is, and how far the work has come."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.errors import Usage
from modelyard.cli.options import Reading
from modelyard.cli.session import Session

if TYPE_CHECKING:
    from modelyard.runtime.batch import Place


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Placed:
    """Whom to trust, and where artifacts and the decision log are."""

    trust_roots: Annotated[
        Path | None,
        Parameter(help="Public keys to trust, from `modelyard keys export-roots`; the installation's own by default."),
    ] = None
    home: Annotated[
        Path | None, Parameter(help="Where artifacts are kept and decisions are logged; the installation's runtime by default.")
    ] = None

    def place(self, session: Session) -> Place:
        """Beside the installation's runtime if that is on this machine. Raises Usage without trust roots."""
        from modelyard.runtime.batch import Place

        installation = Path(os.environ.get("MODELYARD_HOME", ".modelyard"))
        runtime = Path(os.environ.get("MODELYARD_RUNTIME_HOME") or installation / "runtime")
        roots = self.trust_roots or installation / "keys" / "trust-roots.json"
        if not roots.exists():
            raise Usage(
                f"there are no trust roots at {roots}",
                field="--trust-roots",
                hint="`modelyard keys export-roots` on the server's machine writes them",
            )
        policy = installation / "policy.json"
        where = self.home or runtime
        target = session.target
        return Place(
            home=where,
            source=target.url,
            trust_roots=roots,
            log=where / "decisions",
            token=target.token,
            policy_file=policy if self.home is None and policy.exists() else None,
        )


HERE = Placed()


def has_bar(how: Reading) -> bool:
    """Whether progress is a bar: on a terminal where people read."""
    return how.output != "json" and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def json_line(progress: Any) -> None:
    """Progress for a program: a line on stderr."""
    import msgspec

    render.put(json.dumps(msgspec.to_builtins(progress)))
