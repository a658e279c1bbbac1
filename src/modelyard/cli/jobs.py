"""`modelyard job`: work that a worker does."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from modelyard.cli.errors import DONE, FAILED
from modelyard.cli.options import CHANGING_, LISTING, WATCHING, Changing, Listing, Watching
from modelyard.cli.session import Session, pause, say

ENDED = ("done", "dead", "cancelled", "failed", "succeeded")
job = App(name="job", help="Work that a worker does: checks, translations, comparisons.")


@job.command(name="list")
def list_jobs(*, state: str | None = None, kind: str | None = None, how: Listing = LISTING) -> int:
    """Show jobs."""
    return Session(how).print_list("job", state=state, kind=kind)


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
