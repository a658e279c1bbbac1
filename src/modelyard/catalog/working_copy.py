"""Facts about a git working copy, read from what git printed. Running git is the caller's affair.

facts = git_facts(status=<git status --porcelain=v2 --branch>, remote=<git config --get remote.origin.url>)
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from modelyard.catalog.model import GitFacts
from modelyard.core.errors import InvalidInput

_COMMIT = re.compile(r"^([0-9a-f]{40}|[0-9a-f]{64})$")


def git_facts(status: str, remote: str = "") -> GitFacts | None:
    """The commit, branch and whether tracked files differ from it; None before the first commit.

    `status` is the output of `git status --porcelain=v2 --branch`. Untracked files are counted apart: they do not make the copy
    dirty. Credentials in the remote's address are dropped. Raises InvalidInput for text that git did not print.
    """
    headers = dict(re.findall(r"^# branch\.(\S+) (.*)$", status, re.MULTILINE))
    commit = headers.get("oid", "")
    if commit == "(initial)":
        return None
    if not _COMMIT.match(commit):
        raise InvalidInput("not the output of `git status --porcelain=v2 --branch`", field="git")
    entries = [line for line in status.splitlines() if line and not line.startswith("#")]
    branch = headers.get("head", "")
    return GitFacts(
        commit=commit,
        dirty=any(line[:2] in {"1 ", "2 ", "u "} for line in entries),
        branch="" if branch == "(detached)" else branch[:300],
        repository=without_credentials(remote.strip()),
        untracked=sum(line.startswith("? ") for line in entries),
    )


def without_credentials(remote: str) -> str:
    """The remote's address without user name, password, query or fragment. `git@host:path` stays as it is; what is no address
    is dropped."""
    if "://" not in remote:
        return remote
    try:
        parts = urlsplit(remote)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
