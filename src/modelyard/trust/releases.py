"""Releases: signed, verified, and asked what they permit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from modelyard.core.digests import digest
from modelyard.core.errors import ModelyardError, NotApproved
from modelyard.trust import dsse
from modelyard.trust.dsse import GREATEST_ENVELOPE, Signed, VerifiedStatement
from modelyard.trust.errors import Malformed, WrongStatement
from modelyard.trust.keys import Purpose, Signer, TrustRoots
from modelyard.trust.statements import RELEASE_TYPE, ArmRole, Release, Statement, Subject
from modelyard.trust.strict import read_predicate

SHARE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class VerifiedRelease:
    """A release that trusted keys signed. Routes refer to it by `digest`; `until` is when it must stop serving: its own
    end or the end of the trust in its keys, whichever comes first."""

    release: Release
    digest: str
    key_ids: tuple[str, ...]
    until: datetime


@dataclass(frozen=True)
class Releases:
    """Envelopes that were read: by payload digest, those that verified and why the others did not."""

    verified: dict[str, VerifiedRelease] = field(default_factory=dict)
    refused: dict[str, ModelyardError] = field(default_factory=dict)

    def get(self, digest: str) -> VerifiedRelease:
        """Raises NotApproved for an unknown digest, or what `verify_release` raised for it."""
        if digest in self.refused:
            raise self.refused[digest]
        if digest not in self.verified:
            raise NotApproved(f"there is no release {digest}", field="release")
        return self.verified[digest]


def sign_release(release: Release, *signers: Signer) -> Signed:
    """A release statement about the version manifest, in a DSSE envelope."""
    subject = Subject(name=f"{release.model}@{release.version}", digest={"sha256": _hex(release.manifest)})
    return dsse.sign(
        Statement(
            subject=(subject,),
            predicate_type=RELEASE_TYPE,
            predicate=release.model_dump(mode="json"),
        ),
        *signers,
    )


def verify_release(envelope: bytes, roots: TrustRoots, at: datetime) -> VerifiedRelease:
    """The release in an envelope, when its signature, type, subject and times hold.

    Raises an Untrusted of `trust.errors`, or NotApproved (field `not_before` or `until`) outside its own time."""
    verified = dsse.verify(envelope, roots, Purpose.RELEASE, at)
    statement = verified.statement
    if statement.predicate_type != RELEASE_TYPE:
        raise WrongStatement(f"a statement of type {statement.predicate_type}, not a release", field="predicateType")
    release = read_predicate(Release, statement.predicate, "release", GREATEST_ENVELOPE)
    _require_subject(verified, release)
    _require_time(release, at)
    return VerifiedRelease(release, verified.digest, verified.key_ids, min(release.until, verified.trusted_until))


def verify_releases(envelopes: Iterable[bytes], roots: TrustRoots, at: datetime) -> Releases:
    """Every envelope verified; the reasons against the others are kept, so that a refusal can name them. An envelope
    that cannot even be read is kept under the digest of all its bytes, and spoils no other."""
    releases = Releases()
    for envelope in envelopes:
        try:
            found = verify_release(envelope, roots, at)
        except ModelyardError as refusal:
            releases.refused[_name(envelope)] = refusal
        else:
            releases.verified[found.digest] = found
    for known in releases.verified:  # a good envelope of the same payload outweighs a bad one
        releases.refused.pop(known, None)
    return releases


def permits(
    release: VerifiedRelease,
    *,
    endpoint: str,
    use_case: str,
    stage: str,
    role: ArmRole,
    share: float,
    at: datetime,
    revoked: Collection[str] = (),
) -> None:
    """Returns when the release lets its version serve so. Otherwise raises NotApproved whose `field` is the clause that
    failed: revoked, not_before, until, use_case, endpoint, stage, role or share. `revoked` holds release digests."""
    terms = release.release
    if release.digest in revoked:
        raise NotApproved(f"release {terms.id} was revoked", field="revoked")
    _require_time(terms, at)
    if use_case != terms.use_case:
        raise NotApproved(f"release {terms.id} is for use case {terms.use_case!r}, not {use_case!r}", field="use_case")
    if endpoint not in terms.endpoints:
        named = ", ".join(terms.endpoints)
        raise NotApproved(f"release {terms.id} is for {named}, not for endpoint {endpoint!r}", field="endpoint")
    if stage != terms.stage:
        raise NotApproved(f"release {terms.id} is for stage {terms.stage!r}, not {stage!r}", field="stage")
    if role not in terms.roles:
        raise NotApproved(f"release {terms.id} permits {', '.join(terms.roles)}, not {role}", field="role")
    if not share <= terms.greatest_share + SHARE_TOLERANCE:
        raise NotApproved(f"release {terms.id} permits a share of {terms.greatest_share:g}, not {share:g}", field="share")


def _name(envelope: bytes) -> str:
    try:
        return dsse.statement_digest(envelope)
    except Malformed:
        return digest(envelope)


def _require_subject(verified: VerifiedStatement, release: Release) -> None:
    subjects = verified.statement.subject
    if len(subjects) != 1 or subjects[0].digest != {"sha256": _hex(release.manifest)}:
        raise WrongStatement("the statement's subject is not the manifest that the release names", field="subject")


def _require_time(release: Release, at: datetime) -> None:
    if at < release.not_before:
        raise NotApproved(f"release {release.id} begins at {release.not_before.isoformat()}", field="not_before")
    if at >= release.until:
        raise NotApproved(f"release {release.id} ended at {release.until.isoformat()}", field="until")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
