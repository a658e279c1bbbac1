"""The Merkle tree of RFC 9162 (section 2.1) with SHA-256: append, root, proofs of inclusion and consistency.

Every function takes leaf *hashes* (`leaf_hash` of the entry); indices start at 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from modelyard.core.errors import InvalidInput
from modelyard.trust.errors import BadProof

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
_KEPT_FROM = 64

LeafHashes = Callable[[int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 of 0x00 and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class CompactRange:
    """A tree of `size` leaves, known by the roots of its perfect subtrees alone, largest first: at most 64 hashes are
    kept of a log of any length. Store `size` and `peaks` to go on later."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise InvalidInput(f"{self.size} leaves cannot have {len(self.peaks)} peaks")

    def append(self, leaf: bytes) -> CompactRange:
        """With one more leaf hash."""
        peaks, carry = list(self.peaks), leaf
        for _ in range(_trailing_ones(self.size)):
            carry = node_hash(peaks.pop(), carry)
        return CompactRange(self.size + 1, (*peaks, carry))

    def root(self) -> bytes:
        """The root hash; of an empty tree it is SHA-256 of nothing."""
        if not self.peaks:
            return EMPTY_ROOT
        *others, root = self.peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root


class MerkleTree:
    """Roots and proofs over an append-only sequence of leaf hashes, read one by one through `leaf`.

    Hashes of perfect subtrees of 64 leaves and more are kept, as they never change: the first proof reads the log,
    later ones read a few hundred leaves. `leaf` must answer the same for ever."""

    def __init__(self, leaf: LeafHashes) -> None:
        self._leaf = leaf
        self._kept: dict[tuple[int, int], bytes] = {}

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        if size < 0:
            raise InvalidInput(f"no tree has {size} leaves")
        return self._hash(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> tuple[bytes, ...]:
        """PATH(index, D[size]) of section 2.1.3.1. Raises InvalidInput when the leaf is not in the tree."""
        if not 0 <= index < size:
            raise InvalidInput(f"leaf {index} is not in a tree of {size}")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(start, middle))
                start = middle
        return tuple(reversed(proof))

    def consistency_proof(self, first: int, second: int) -> tuple[bytes, ...]:
        """PROOF(first, D[second]) of section 2.1.4.1; empty when the sizes are equal or the first is 0."""
        if not 0 <= first <= second:
            raise InvalidInput(f"a tree of {second} does not extend one of {first}")
        if first in (0, second):
            return ()
        proof: list[bytes] = []
        start, end = 0, second
        while end != first:
            middle = start + _split(end - start)
            if first <= middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(start, middle))
                start = middle
        if start:
            proof.append(self._hash(start, end))
        return tuple(reversed(proof))

    def _hash(self, start: int, end: int) -> bytes:
        """MTH(D[start:end])."""
        size = end - start
        if size == 1:
            return self._leaf(start)
        if (start, end) in self._kept:
            return self._kept[start, end]
        middle = start + _split(size)
        found = node_hash(self._hash(start, middle), self._hash(middle, end))
        if size >= _KEPT_FROM and size.bit_count() == 1:
            self._kept[start, end] = found
        return found


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Returns when `leaf` stands at `index` in the tree of `size` leaves with that root (section 2.1.3.2). Raises
    BadProof."""
    if not 0 <= index < size:
        _fail(f"leaf {index} is not in a tree of {size}")
    _require_hashes(leaf, root, *proof)
    left, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            _fail("the inclusion proof is too long")
        if left & 1 or left == last:
            found = node_hash(step, found)
            while not left & 1 and left:
                left, last = left >> 1, last >> 1
        else:
            found = node_hash(found, step)
        left, last = left >> 1, last >> 1
    if last != 0:
        _fail("the inclusion proof is too short")
    if found != root:
        _fail("the inclusion proof does not lead to the root")


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Returns when the tree of `second` leaves extends that of `first` (section 2.1.4.2). Raises BadProof."""
    if not 0 <= first <= second:
        _fail(f"a tree of {second} does not extend one of {first}")
    _require_hashes(first_root, second_root, *proof)
    if first in (0, second):
        expected = EMPTY_ROOT if first == 0 else second_root
        if proof or first_root != expected:
            _fail("the older root is not what this size allows, or the proof should be empty")
        return
    steps = list(proof)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        _fail("the consistency proof is too short")
    _climb(first, second, first_root, second_root, steps)


def _climb(first: int, second: int, first_root: bytes, second_root: bytes, steps: list[bytes]) -> None:
    left, last = first - 1, second - 1
    while left & 1:
        left, last = left >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            _fail("the consistency proof is too long")
        if left & 1 or left == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not left & 1 and left:
                left, last = left >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        left, last = left >> 1, last >> 1
    if last != 0:
        _fail("the consistency proof is too short")
    if older != first_root or newer != second_root:
        _fail("the consistency proof does not lead to both roots")


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _trailing_ones(number: int) -> int:
    return (~number & number + 1).bit_length() - 1


def _require_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        _fail("a hash does not have 32 bytes")


def _fail(reason: str) -> NoReturn:
    raise BadProof(reason)
