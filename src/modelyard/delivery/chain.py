"""The fallback chain of an endpoint: who answers when a live arm cannot, in which order."""

from __future__ import annotations

from modelyard.catalog.lookup import find_version
from modelyard.core.bus import Work
from modelyard.core.errors import InvalidInput, NotApproved, WrongState
from modelyard.core.records import Query, equals, first
from modelyard.delivery.changing import change, endpoint_named, refusal_of
from modelyard.delivery.commands import SetFallbacks
from modelyard.delivery.genuine import require_genuine
from modelyard.delivery.model import Endpoint, EndpointArm
from modelyard.governance.releases.model import RELEASES, REVOCATIONS, IssuedRelease
from modelyard.governance.releases.ports import Signing
from modelyard.trust.statements import ArmRole

PREVIOUS = "previous"


def set_fallbacks(work: Work, command: SetFallbacks, signing: Signing) -> Endpoint:
    """Have exactly this chain. The constant, which comes last, is set with the endpoint's other fields."""
    endpoint = require_genuine(work.tx, endpoint_named(work.tx, work.organisation, command.endpoint))
    chain = [_entry(work, endpoint, entry, number) for number, entry in enumerate(command.chain)]
    names = [arm.name for arm in chain]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"{', '.join(twice)} would be tried twice", field="chain")
    others = tuple(arm for arm in endpoint.arms if arm.role is not ArmRole.FALLBACK)
    taken = sorted(set(names) & {arm.name for arm in others})
    if taken:
        raise WrongState(
            f"{', '.join(taken)} is an arm of another role", field="chain", hint="what fails cannot stand in for itself"
        )
    return change(work, signing, endpoint, "set_fallbacks", (*others, *chain))


def _entry(work: Work, endpoint: Endpoint, entry: str, number: int) -> EndpointArm:
    for arm in endpoint.fallbacks():
        if entry in (arm.name, arm.version):
            return arm
    version = _previous(endpoint) if entry == PREVIOUS else entry
    return _of_version(work, endpoint, version, f"chain[{number}]")


def _previous(endpoint: Endpoint) -> str:
    for arm in endpoint.previous:
        if arm.role is ArmRole.CHAMPION:
            return arm.version
    raise WrongState(f"endpoint {endpoint.name} had no other champion yet", field="chain", hint="name a version")


def _of_version(work: Work, endpoint: Endpoint, reference: str, field: str) -> EndpointArm:
    """A fallback arm on the newest release of the version that permits it. Raises NotApproved telling why the newest does not."""
    version = find_version(work.tx, work.organisation, reference)
    where = (equals("organisation", work.organisation), equals("version", version.id))
    releases = work.find(RELEASES, Query(where=where, sort="created_at", descending=True, limit=100)).items
    why: NotApproved | None = None
    for release in releases:
        arm = _arm(work, release, f"v{version.number}")
        refusal = refusal_of(work, endpoint, arm)
        if refusal is None:
            return arm
        gone = first(work.tx, REVOCATIONS, equals("id", release.id)) is not None
        why = why if why is not None or gone else refusal
    if why is not None:
        raise why
    raise NotApproved(
        f"{reference} has no release that holds",
        field=field,
        hint="request approval with the role fallback, and issue its release",
    )


def _arm(work: Work, release: IssuedRelease, name: str) -> EndpointArm:
    return EndpointArm(
        name=name,
        role=ArmRole.FALLBACK,
        version=release.version,
        release=release.id,
        payload=release.payload,
        manifest=release.manifest,
        share=0.0,
        since=work.now,
    )
