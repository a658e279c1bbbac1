"""Who waits for a message, found by its key, so that ten thousand who wait with other keys cost nothing; and what nobody but the
platform may tell."""

from __future__ import annotations

from collections.abc import Collection

from modelyard.core.errors import InvalidInput
from modelyard.core.records import Transaction, Where, equals, every
from modelyard.governance.policy.cedar import known_actions
from modelyard.lifecycle.model import SUBSCRIPTIONS, Subscription

LONGEST_KEY = 500
"""Characters of a key that can be kept; a longer text is nobody's."""


def waiting_for(tx: Transaction, organisation: str, name: str, keys: Collection[str]) -> list[Subscription]:
    """Those who wait for a message of that name without a key, and those who wait with one of `keys`, by id."""
    named = (equals("organisation", organisation), equals("name", name), equals("signal", False))
    found = every(tx, SUBSCRIPTIONS, *named, equals("key", None))
    possible = sorted(key for key in keys if len(key) <= LONGEST_KEY and "\x00" not in key)
    if possible:
        found += every(tx, SUBSCRIPTIONS, *named, Where("key", "in", possible))
    return sorted(found, key=lambda waits: waits.id)


def require_own_name(name: str, field: str) -> None:
    """What happened on the platform is told by the platform alone: processes act on it in the platform's name. Raises
    InvalidInput."""
    rooms = {action.partition(".")[0] for action in known_actions() if "." in action}
    if name.partition(".")[0] in rooms and "." in name:
        raise InvalidInput(
            f"{name!r} is an event of the platform, which only the platform tells of", field=field, hint="use a name of your own"
        )
