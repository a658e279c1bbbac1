"""A transaction for loops and queues, which have no command to be retried by the bus."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from modelyard.core.errors import Busy
from modelyard.core.records import Storage, Transaction, retrying

T = TypeVar("T")
TRIES = 10


def in_transaction(storage: Storage, what: Callable[[Transaction], T]) -> T:
    """Do it in a transaction of its own and return its result; tried again a bounded number of times while others are in the way,
    so `what` must do nothing outside the transaction. Raises Busy at last."""

    def attempt() -> T:
        with storage.transaction() as tx:
            return what(tx)

    result: T = retrying(attempt, times=TRIES, pause=_back_off, retry_on=Busy)
    return result


def _back_off(number: int) -> None:
    time.sleep(random.uniform(0.5, 1.0) * min(0.005 * 2**number, 0.5))  # noqa: S311 -- jitter, not a secret
