"""Every command of custody."""

from __future__ import annotations

from typing import Any

from modelyard.core.bus import Handling
from modelyard.governance.custody import access, erasures, holds, retention


def handlings() -> list[Handling[Any]]:
    return [*retention.handlings(), *holds.handlings(), *erasures.handlings(), *access.handlings()]
