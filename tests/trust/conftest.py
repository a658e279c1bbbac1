"""Keys and documents that the tests of `modelyard.trust` share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelyard.core.digests import digest
from modelyard.trust import Ed25519Signer, Purpose, TrustRoot, TrustRoots
from modelyard.trust.statements import Arm, ArmRole, EndpointRoutes, Release, RouteSnapshot

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MANIFEST = digest(b"manifest")


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def signer() -> Ed25519Signer:
    return Ed25519Signer.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def other() -> Ed25519Signer:
    return Ed25519Signer.from_private_bytes(bytes(range(1, 33)))


@pytest.fixture(scope="session")
def root_of() -> Callable[..., TrustRoot]:
    def make(signer: Ed25519Signer, *purposes: Purpose, begin: int = -100, end: int = 100) -> TrustRoot:
        return TrustRoot.of(signer.public_key, purposes or tuple(Purpose), NOW + begin * DAY, NOW + end * DAY)

    return make


@pytest.fixture(scope="session")
def roots(signer: Ed25519Signer, root_of: Callable[..., TrustRoot]) -> TrustRoots:
    return TrustRoots(roots=(root_of(signer),))


@pytest.fixture(scope="session")
def release_with() -> Callable[..., Release]:
    def make(**changes: Any) -> Release:
        terms: dict[str, Any] = {
            "id": "rel_1",
            "organisation": "default",
            "use_case": "credit",
            "model": "credit-risk",
            "version": "7",
            "manifest": MANIFEST,
            "serving": digest(b"serving"),
            "endpoints": ("credit-score", "credit-batch"),
            "stage": "production",
            "roles": (ArmRole.CHAMPION, ArmRole.FALLBACK, ArmRole.SHADOW),
            "greatest_share": 1.0,
            "tier": "high",
            "evidence": (),
            "approvals": (),
            "policy": digest(b"policy"),
            "issued_by": "officer",
            "issued_at": NOW - DAY,
            "not_before": NOW - DAY,
            "until": NOW + 30 * DAY,
        }
        return Release(**(terms | changes))

    return make


@pytest.fixture(scope="session")
def endpoint_with() -> Callable[..., EndpointRoutes]:
    def make(*arms: Arm, **changes: Any) -> EndpointRoutes:
        terms: dict[str, Any] = {
            "name": "credit-score",
            "use_case": "credit",
            "stage": "production",
            "tier": "high",
            "arms": arms,
            "greatest_age": 3600.0,
        }
        return EndpointRoutes(**(terms | changes))

    return make


@pytest.fixture(scope="session")
def snapshot_of() -> Callable[..., RouteSnapshot]:
    def make(*endpoints: EndpointRoutes, **changes: Any) -> RouteSnapshot:
        terms: dict[str, Any] = {"organisation": "default", "epoch": 5, "issued_at": NOW, "endpoints": endpoints}
        return RouteSnapshot(**(terms | changes))

    return make
