"""How a runtime ends. First it says that it is not ready and answers on, so that balancers send requests elsewhere; then it takes
nothing new and finishes what it has. The main process tells its workers (see `workers`).
"""

from __future__ import annotations

import asyncio
from enum import IntEnum


class Phase(IntEnum):
    """How far the end has come; it never goes back."""

    SERVING = 0
    LEAVING = 1
    STOPPING = 2


class Leaving:
    """The phase of a runtime, as one process knows it. Reached in the event loop; may be looked at from anywhere."""

    def __init__(self) -> None:
        self._phase = Phase.SERVING
        self._waiting: list[tuple[Phase, asyncio.Future[None]]] = []

    @property
    def phase(self) -> Phase:
        """How far it is now."""
        return self._phase

    @property
    def begun(self) -> bool:
        """Whether callers are told that it is not ready. Cheap."""
        return self._phase is not Phase.SERVING

    def reach(self, phase: Phase) -> None:
        """Be in that phase; a later one stays."""
        self._phase = max(self._phase, phase)
        for wanted, future in self._waiting:
            if wanted <= self._phase and not future.done():
                future.set_result(None)

    async def until(self, phase: Phase) -> None:
        """Wait until it is in that phase, or a later one."""
        if self._phase < phase:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((phase, future))
            await future
