"""Work for many values goes beside the event loop: in a thread, where Python lets the loop have its turn every millisecond."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

MANY = 10_000
"""Values, or rows, that are too many to be gone through in the event loop."""


async def aside(many: bool, work: Callable[..., _T], *arguments: object) -> _T:
    """What `work` makes of its arguments: in a thread when they are `many`, else at once."""
    return await asyncio.to_thread(work, *arguments) if many else work(*arguments)
