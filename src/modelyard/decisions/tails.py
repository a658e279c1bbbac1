"""What stands behind the last known frame of a segment: more frames, room that its writer has not used yet (zeros), what a dead
writer left torn, or damage.

The writer may be at it meanwhile, and may write into bytes that are there already: what is read is then partly old, partly new.
A frame that is not whole yet is no frame; one that comes after it is written later, so whoever sees that one whole and looks
again sees the first one whole too, unless it is damaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from modelyard.decisions.framing import FRAME, Frame, TornFrame, decode_frame, frame_size, scan

_FIRST = 1 << 16
_STEP = 1 << 20


def whole(descriptor: int, nonce: bytes, offset: int) -> Iterator[Frame]:
    """Whole frames from the offset on, until there is none."""
    step = _FIRST
    while True:
        data = memoryview(os.pread(descriptor, step, offset))
        before = offset
        try:
            for frame in scan(nonce, offset, data):
                offset = frame.end
                yield frame
        except TornFrame:
            pass  # it may go on beyond what was read
        if offset > before:
            step = _STEP
            continue
        step = _reach(descriptor, offset, data)
        if step <= len(data):
            return


def is_room(descriptor: int, offset: int) -> bool:
    """Whether nothing was written at the offset."""
    return not any(os.pread(descriptor, len(FRAME), offset))


def whole_beyond(descriptor: int, nonce: bytes, offset: int) -> int | None:
    """Where after the offset a whole frame is."""
    place = offset + 1
    while data := os.pread(descriptor, _STEP + len(FRAME) - 1, place):
        found = data.find(FRAME)
        while found >= 0:
            if _is_whole(descriptor, nonce, place + found):
                return place + found
            found = data.find(FRAME, found + 1)
        place += _STEP
    return None


def _is_whole(descriptor: int, nonce: bytes, offset: int) -> bool:
    data = memoryview(os.pread(descriptor, _FIRST, offset))
    size = _reach(descriptor, offset, data)
    if size > len(data):
        data = memoryview(os.pread(descriptor, size, offset))
    try:
        decode_frame(nonce, offset, data)
    except TornFrame:
        return False
    return True


def _reach(descriptor: int, offset: int, data: memoryview) -> int:
    """How many bytes the frame that these begin has, as far as the file has them; 0 when they begin none."""
    return min(frame_size(data), os.fstat(descriptor).st_size - offset)
