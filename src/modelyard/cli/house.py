"""The installation itself: log in, its version, backup and restore."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from modelyard.cli import render, settings
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import READING, Reading
from modelyard.cli.session import Session, confirm, demand_terminal, interactive, say

if TYPE_CHECKING:
    from modelyard.storage.backup import Installation

Home = Annotated[Path | None, Parameter(help="The installation's folder; MODELYARD_HOME when left out.")]


def login(
    url: Annotated[str | None, Parameter(help="The server's address.")] = None,
    /,
    *,
    runtime_url: Annotated[str | None, Parameter(help="The runtime's address.")] = None,
    timeout: float = 60.0,
) -> int:
    """Keep a server's address and a token in a file that only you can read.

    The token is read from the terminal, or from stdin when that is no terminal.
    """
    from modelyard.client.http import Connection

    chosen = url or settings.target().url
    if interactive():
        import getpass

        token = getpass.getpass("Token: ", stream=sys.stderr).strip()
    else:
        token = sys.stdin.readline(10_000).strip()
    if not token:
        raise Usage("no token was given", hint="modelyard login URL < file-with-the-token")
    with Connection(chosen, token, timeout=timeout) as http:
        me = http.get("/me")
    path = settings.store(chosen, token, runtime_url)
    say(f"logged in to {chosen} as {me['name']} ({', '.join(me['roles']) or 'no role yet'}); kept in {path}")
    return DONE


def whoami(*, how: Reading = READING) -> int:
    """Show who the token stands for."""
    render.print_one(Session(how).get("/me"), how.output, name="name")
    return DONE


def about(*, how: Reading = READING) -> int:
    """Print the version of this program."""
    import platform

    from modelyard import __version__

    told = {"modelyard": __version__, "python": platform.python_version(), "platform": platform.platform()}
    if how.output == "table":
        sys.stdout.write(f"modelyard {__version__}\n")
    else:
        render.print_one(told, how.output, name="modelyard")
    return DONE


def backup(
    to: Annotated[Path, Parameter(help="What to write: a folder, or a tar file when the name ends in .tar.")],
    /,
    *,
    keys: Annotated[bool, Parameter(negative=(), help="With the private signing keys: guard the result like them.")] = False,
    home: Home = None,
    how: Reading = READING,
) -> int:
    """Write all of the installation on this machine to one place.

    That is the database, blobs, decision log and audit checkpoints; the private keys only if asked for. It may run meanwhile.
    """
    from modelyard.storage.backup import backup as write

    place = _installation(home)
    if not place.home.is_dir():
        raise Usage(f"there is no installation in {place.home}", field="--home", hint="set MODELYARD_HOME")
    report = write(place, to, keys=keys)
    render.print_one(report.model_dump(mode="json"), how.output, name="digest")
    say(f"note the digest down elsewhere; next: modelyard restore {to} --home ELSEWHERE proves that it can be read")
    return DONE


def restore(
    source: Annotated[Path, Parameter(help="What `modelyard backup` wrote.")],
    /,
    *,
    home: Home = None,
    erasures: Annotated[
        Path | None,
        Parameter(help="List of the erased (modelyard erasure export); that of MODELYARD_ERASURES_FILE when left out."),
    ] = None,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), help="Ask no questions.")] = False,
    how: Reading = READING,
) -> int:
    """Bring an installation back from a backup. The folder must be empty."""
    from modelyard.storage.backup import read_list
    from modelyard.storage.backup import restore as bring_back

    place = _installation(home)
    if not yes:
        demand_terminal()
        confirm(f"Restore {source} into {place.home}?")
    listed = erasures or _list_of_erasures(home)
    report = bring_back(source, place, read_list(listed) if listed else {})
    render.print_one(report.model_dump(mode="json"), how.output, name="digest")
    if listed is None:
        say(f"who was erased after {report.taken_at} is back: modelyard erasure import LIST, before anybody reads the log")
    say("next: modelyard up, then modelyard audit verify")
    return DONE


def _list_of_erasures(home: Path | None) -> Path | None:
    """The list that is kept apart from the installation, if there is one."""
    from modelyard.bootstrap import Settings

    kept = Settings.from_environment(home=home).erasures_file
    return kept if kept is not None and kept.exists() else None


def _installation(home: Path | None) -> Installation:
    from modelyard.bootstrap import TABLES, Settings
    from modelyard.storage.backup import Installation

    here = Settings.from_environment(home=home)
    return Installation(
        home=here.home,
        database=here.database_url,
        tables=TABLES,
        blobs=here.blobs_url,
        outcomes=here.home / "outcomes",
        audit=here.home / "audit",
        keys=here.home / "keys",
        runtime=here.runtime_folder,
    )
