"""The installation itself: log in, its version, backup and restore."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modelyard.cli import render, settings
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, READING, Changing, Reading
from modelyard.cli.session import Session, confirm, demand_terminal, interactive, say

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
    to: Annotated[Path, Parameter(help="The folder or file to write.")],
    /,
    *,
    keys: Annotated[
        bool,
        Parameter(
            name="--with-keys", negative=(), show_default=False, help="With the private signing keys: guard the result like them."
        ),
    ] = False,
    home: Home = None,
) -> int:
    """Write all of the installation on this machine to one place.

    That is the database, blobs, decision log and audit checkpoints; the private keys only if asked for.
    """
    from modelyard.bootstrap import Settings, installation
    from modelyard.storage import backup as storage_backup

    told = storage_backup.backup(installation(Settings.from_environment(home=home)), to, keys=keys)
    render.print_one(told.model_dump(mode="json"), "table")
    say(f"next: modelyard restore {to} --home ELSEWHERE proves that it can be read")
    return DONE


def restore(
    source: Annotated[Path, Parameter(help="What `modelyard backup` wrote.")],
    /,
    *,
    home: Home = None,
    how: Changing = CHANGING_,
) -> int:
    """Bring an installation back from a backup. The folder must be empty."""
    from modelyard.bootstrap import Settings, installation
    from modelyard.storage import backup as storage_backup

    here = Settings.from_environment(home=home)
    if not how.yes:
        demand_terminal()
        confirm(f"Restore {source} into {here.home}?")
    told = storage_backup.restore(source, installation(here))
    render.print_one(told.model_dump(mode="json"), "table")
    say("next: modelyard up, then modelyard audit verify")
    return DONE
