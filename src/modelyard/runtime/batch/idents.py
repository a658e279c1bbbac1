"""Ids of a batch's decisions: the same for the same row of the same batch, however often a part is begun anew.

UUID version 7 (RFC 9562): 48 bits of the batch's time, 22 bits of the batch's digest, 20 bits of the part, 32 bits of the row.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.decisions.minting import PREFIX

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
"""The two digits of each byte, as one number."""
_LENGTH = 36


def decision_ids(batch: str, part: int, first: int, count: int) -> Any:
    """An Arrow array of the ids of `count` rows of a part from row `first` on, in increasing order."""
    text = np.empty((count, _LENGTH), np.uint8)
    text[:, :28] = np.frombuffer(_beginning(batch, part), np.uint8)
    numbers = np.arange(first, first + count, dtype=">u4").view(np.uint8).reshape(count, 4)
    text.view(np.uint16)[:, 14:] = _HEX[numbers]
    ends = np.arange(0, _LENGTH * (count + 1), _LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))


@lru_cache(64)
def _beginning(batch: str, part: int) -> bytes:
    time = batch.rpartition("_")[2][:12]
    noise = int.from_bytes(hashlib.sha256(batch.encode()).digest()[:4], "big")
    variant = 0b10 << 10 | noise & 0x3FF
    return f"{PREFIX}{time}7{noise >> 10 & 0xFFF:03x}{variant:03x}{part:05x}".encode()
