"""`modelyard job`: work that a worker does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import CHANGING_, LISTING, READING, WATCHING, Changing, Listing, Reading, Watching
from modelyard.cli.session import Session, pause, say, segment
from modelyard.cli.views import PLAIN

ENDED = ("done", "dead", "cancelled", "failed", "succeeded")
WAIT = 5.0
job = App(name="job", help="Work that a worker does: checks, translations, comparisons.")


@job.command(name="list")
def list_jobs(*, state: str | None = None, kind: str | None = None, resource: str | None = None, how: Listing = LISTING) -> int:
    """Show jobs."""
    return Session(how).print_list("job", state=state, kind=kind, resource=resource)


@job.command(name="show")
def show_job(
    job: str,
    /,
    *,
    wait: Annotated[bool, Parameter(negative=(), show_default=False, help="Wait for its end; 1 when it failed.")] = False,
    how: Watching = WATCHING,
) -> int:
    """Show a job."""
    session = Session(how)
    if not wait:
        return session.print_one("job", job)
    found = wait_for(session, job)
    session.show("job", found)
    return DONE if found["state"] in ("done", "succeeded") else FAILED


@job.command(name="cancel")
def cancel(job: str, /, *, how: Changing = CHANGING_) -> int:
    """Stop a job, or keep a queued one from starting."""
    session = Session(how)
    return session.report("job", session.change("jobs.cancel_job", {"job": job}), f"cancelled {job}")


@job.command(name="retry")
def retry(job: str, /, *, how: Changing = CHANGING_) -> int:
    """Queue a failed or cancelled job again."""
    session = Session(how)
    made = session.change("jobs.retry_job", {"job": job})
    return session.report("job", made, f"queued {job} again", f"modelyard job show {job} --wait")


@job.command(name="logs")
def logs(
    job: str,
    /,
    *,
    follow: Annotated[
        bool, Parameter(name=("--follow", "-f"), negative=(), show_default=False, help="Until the job has ended.")
    ] = False,
    how: Reading = READING,
) -> int:
    """Print what a job wrote, of all its attempts."""
    session, chunks = Session(how), []
    as_text = how.output in ("table", "wide")
    attempt = None
    for chunk in _chunks(session, job, follow=follow):
        if not as_text:
            chunks.append(chunk)
            continue
        if chunk["attempt"] != attempt:
            attempt = chunk["attempt"]
            say(f"attempt {attempt}")
        sys.stdout.write(_printable(chunk["text"]))
        sys.stdout.flush()
    if not as_text:
        render.print_rows(chunks, PLAIN["log"], how.output, name="number")
    return DONE


@job.command(name="artifacts")
def artifacts(
    job: str,
    /,
    *,
    download: Annotated[Path | None, Parameter(help="Write the files into this folder; none that is there is replaced.")] = None,
    how: Reading = READING,
) -> int:
    """Show the files that a job kept, or download them."""
    session = Session(how)
    found = session.get(f"/jobs/{segment(job)}/artifacts")["items"]
    if found or how.output in ("json", "yaml"):
        render.print_rows(found, PLAIN["artifact"], how.output, name="name")
    if not found:
        say("the job kept no files")
    elif download is not None:
        for item in found:
            _download(session, job, item["name"], download)
        say(f"{len(found)} in {download}")
    return DONE


@job.command(name="limit")
def limit(
    resource: Annotated[str, Parameter(help="Such as gpu, training, endpoint:hold.")],
    count: Annotated[int, Parameter(help="So many jobs may run at a time; 0 pauses them.")],
    /,
    *,
    how: Changing = CHANGING_,
) -> int:
    """Say how many jobs of a resource may run at a time."""
    session = Session(how)
    made = session.change("jobs.set_limit", {"name": resource, "limit": count})
    return session.report("resource-limit", made, f"{resource}: {count or 'no'} jobs at a time", "modelyard job limits")


@job.command(name="limits")
def limits(*, how: Listing = LISTING) -> int:
    """Show how many jobs of each resource may run at a time."""
    return Session(how).print_list("resource-limit")


def _chunks(session: Session, job: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    """The pieces of a job's log, in order; with `follow` those to come as well."""
    after, ended = 0, False
    while not ended:
        told = session.get(f"/jobs/{segment(job)}/log", after=after, wait=WAIT if follow and after else None)
        yield from told["chunks"]
        ended = told["ended"] or not (follow or told["chunks"])
        if not told["chunks"] and not ended:
            pause(0.5)  # the server does not wait for everybody at once
        after = told["next"]


def _printable(text: str) -> str:
    """Lines that cannot steer the terminal; as they were written where no terminal reads them."""
    if not sys.stdout.isatty():
        return text
    return "".join(render.safe(line.removesuffix("\n")) + "\n" * line.endswith("\n") for line in text.splitlines(keepends=True))


def _download(session: Session, job: str, name: str, folder: Path) -> None:
    """One file into the folder. The server's word is not taken for its name: it must be a plain one. Raises Usage."""
    if not name or name in (".", "..") or any(c in name for c in "/\\:") or not name.isprintable():
        raise Usage(f"{name!r} is no plain file name", field="--download", hint="download it by hand where you want it")
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file, session.http.stream(f"/jobs/{segment(job)}/artifacts/{segment(name)}") as answer:
            for piece in answer.iter_bytes():
                file.write(piece)
    except FileExistsError as error:
        raise Usage(f"{path} is there already", field="--download", hint="give an empty folder") from error
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error}", field="--download") from error


def wait_for(session: Session, job: str) -> dict[str, Any]:
    """The job once it has ended; its progress is told meanwhile."""
    told = ""
    while True:
        found = session.one("job", job)
        now = f"{found['kind']}: {found['state']} {found.get('progress', 0) * 100:.0f}% {found.get('note', '')}".rstrip()
        if now != told:
            say(now)
            told = now
        if found["state"] in ENDED:
            return found
        pause(0.5)
