"""Ways around the path from evidence to service, each of which must be closed."""

from __future__ import annotations

from typing import Any

from modelyard.core.messages import SYSTEM
from modelyard.delivery.commands import PublishRoutes
from modelyard.governance.releases.commands import IssueRelease
from tests.life.conftest import OMAR, House


def ready(house: House, **metrics: float) -> Any:
    """A version that passed its gate."""
    house.use_case()
    version = house.version()
    house.evidence(version, **metrics)
    house.gate(version)
    return version


def test_a_dry_run_gives_nothing_signed_away(house: House) -> None:
    approval = house.approve(house.request(ready(house)))
    assert house.do(OMAR, IssueRelease(approval=approval.id), dry_run=True).envelope == ""
    assert house.do(SYSTEM, PublishRoutes(), dry_run=True).envelope == ""
    assert house.do(OMAR, IssueRelease(approval=approval.id)).envelope
    assert house.do(SYSTEM, PublishRoutes()).envelope
