"""Segments on disk: a header, then frames that are either whole or not there.

    segment  = MAGIC, u32 header length, u32 CRC of the header, header (JSON), frames…
    frame    = FRAME, u32 meta length, u32 payload length, u32 rows, u32 CRC, meta (msgpack), payload (Arrow IPC message)

A frame's CRC (CRC-32, zlib) also covers the segment's random nonce and the frame's offset, so that bytes that merely look
like a frame, wherever they come from, never read as one. Header and meta may be filled up, so that what follows begins where a
block of the disk does: the header's JSON with spaces, the meta with one more value of zeros, which readers pass over. This module
is pure: it works on bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

MAGIC = b"MYDLOG\x01\n"
FRAME = b"MYFR"
_HEADER = struct.Struct("<8sII")
_FRAME = struct.Struct("<4sIIII")
LARGEST_PAYLOAD = 1 << 30
_LONG = 256
"""From so many bytes on (to 65,535), bytes in msgpack have three bytes before them."""


class Header(msgspec.Struct, frozen=True):
    """What a segment holds. `schema` is the serialized Arrow schema of its batches; times are microseconds (UTC)."""

    table: str
    schema_version: int
    writer: str
    number: int
    created: int
    nonce: bytes
    schema: bytes


class FrameMeta(msgspec.Struct, frozen=True, array_like=True):
    """What a reader must know to skip a frame: range of ids and of both times, and rows by endpoint."""

    rows: int
    min_id: str
    max_id: str
    min_time: int
    max_time: int
    min_event: int | None
    max_event: int | None
    endpoints: dict[str, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A verified frame: where it starts and ends in the segment, where its payload is, and its meta."""

    offset: int
    end: int
    payload: slice
    meta: FrameMeta


class TornFrame(Exception):
    """The bytes at `offset` are no whole frame."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no whole frame at byte {offset}")
        self.offset = offset


_meta_decoder = msgspec.msgpack.Decoder(FrameMeta)
_meta_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.json.Decoder(Header)


def encode_header(header: Header, block: int = 1) -> bytes:
    """The first bytes of a segment, in whole blocks."""
    body = msgspec.json.encode(header)
    body += b" " * (-(_HEADER.size + len(body)) % block)
    return _HEADER.pack(MAGIC, len(body), zlib.crc32(body)) + body


def decode_header(data: bytes | memoryview) -> tuple[Header, int]:
    """The header and where it ends. Raises TornFrame(0) when the bytes do not start with a whole header."""
    if len(data) < _HEADER.size:
        raise TornFrame(0)
    magic, length, crc = _HEADER.unpack_from(data)
    end = _HEADER.size + length
    body = bytes(data[_HEADER.size : end])
    if magic != MAGIC or len(body) != length or zlib.crc32(body) != crc:
        raise TornFrame(0)
    return _header_decoder.decode(body), end


def frame_head(nonce: bytes, offset: int, meta: FrameMeta, payload: bytes | memoryview, size: int | None = None) -> bytes:
    """What stands before the payload of a frame for this place in this segment; of so many bytes, if `size` is given. Raises
    ValueError when it does not fit in them."""
    head = _meta_encoder.encode(meta) if size is None else _filled(meta, size - _FRAME.size)
    lengths = (len(head), len(payload), meta.rows)
    crc = zlib.crc32(payload, zlib.crc32(head, _seed(nonce, offset, lengths)))
    return _FRAME.pack(FRAME, *lengths, crc) + head


def decode_frame(nonce: bytes, offset: int, data: memoryview) -> Frame:
    """The frame whose bytes start `data`; `offset` is its place in the segment. Raises TornFrame when it is not whole."""
    if len(data) < _FRAME.size:
        raise TornFrame(offset)
    magic, meta_length, payload_length, rows, crc = _FRAME.unpack_from(data)
    start = _FRAME.size + meta_length
    end = start + payload_length
    if magic != FRAME or end > len(data):
        raise TornFrame(offset)
    seed = _seed(nonce, offset, (meta_length, payload_length, rows))
    if zlib.crc32(data[_FRAME.size : end], seed) != crc:
        raise TornFrame(offset)
    meta = _meta_decoder.decode(data[_FRAME.size : start])
    return Frame(offset, offset + end, slice(start, end), meta)


def scan(nonce: bytes, offset: int, data: memoryview) -> Iterator[Frame]:
    """Frames one after another until the bytes end. Raises TornFrame where they stop being whole."""
    place = 0
    while place < len(data):
        frame = decode_frame(nonce, offset + place, data[place:])
        yield frame
        place = frame.end - offset


def frame_size(data: memoryview) -> int:
    """How many bytes the frame has whose bytes start `data`, as its head says; 0 when they start none."""
    if len(data) < _FRAME.size:
        return 0
    magic, meta_length, payload_length, _, _ = _FRAME.unpack_from(data)
    return _FRAME.size + meta_length + payload_length if magic == FRAME else 0


def _filled(meta: FrameMeta, size: int) -> bytes:
    """The meta in so many bytes."""
    plain = msgspec.structs.astuple(meta)
    zeros = size - len(_meta_encoder.encode(plain)) - len(_meta_encoder.encode(bytes(_LONG))) + _LONG
    head = _meta_encoder.encode((*plain, bytes(max(_LONG, zeros))))
    if len(head) != size:
        raise ValueError(f"meta of {len(head)} bytes, not {size}")
    return head


def _seed(nonce: bytes, offset: int, lengths: tuple[int, int, int]) -> int:
    return zlib.crc32(nonce + struct.pack("<QIII", offset, *lengths))
