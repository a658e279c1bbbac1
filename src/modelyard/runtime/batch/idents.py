"""Ids of a batch's decisions: the same for the same row of the same batch, however often a part is begun anew.

UUID version 7 (RFC 9562): 48 bits of the batch's time, 22 bits of the batch's digest, 20 bits of the part, 32 bits of the row.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np

from modelyard.decisions.packing import id_texts

_ALIKE = 12
"""Bytes that the ids of a part have in common."""


def decision_ids(batch: str, part: int, first: int, count: int) -> Any:
    """An Arrow array of the ids of `count` rows of a part from row `first` on, in increasing order."""
    return id_texts(id_numbers(batch, part, first, count), alike=_ALIKE)


def id_numbers(batch: str, part: int, first: int, count: int) -> Any:
    """The same as a NumPy array of 16 bytes a row."""
    numbers = np.empty((count, 16), np.uint8)
    numbers[:, :_ALIKE] = np.frombuffer(_beginning(batch, part), np.uint8)
    numbers.view(">u4")[:, 3] = np.arange(first, first + count)
    return numbers


@lru_cache(64)
def _beginning(batch: str, part: int) -> bytes:
    time = batch.rpartition("_")[2][:12]
    noise = int.from_bytes(hashlib.sha256(batch.encode()).digest()[:4], "big")
    variant = 0b10 << 10 | noise & 0x3FF
    return bytes.fromhex(f"{time}7{noise >> 10 & 0xFFF:03x}{variant:03x}{part:05x}")
