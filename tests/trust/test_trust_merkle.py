"""The tree against RFC 9162's recursive definitions, known vectors, and every tampering we can think of."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.trust import EMPTY_ROOT, CompactRange, MerkleTree, leaf_hash, verify_consistency, verify_inclusion
from modelyard.trust.errors import BadProof

LEAVES = [leaf_hash(f"record {number}".encode()) for number in range(64)]
TREE = MerkleTree(LEAVES.__getitem__)

# The eight entries and their roots are those of the Certificate Transparency reference implementation.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """Section 2.1.1, word for word, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """Section 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_known_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
    compact = CompactRange()
    assert compact.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, root in enumerate(ROOTS, start=1):
        compact = compact.append(leaves[size - 1])
        assert compact.root().hex() == root
        assert MerkleTree(leaves.__getitem__).root(size).hex() == root


def test_known_inclusion_proof() -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
    assert [step.hex() for step in MerkleTree(leaves.__getitem__).inclusion_proof(0, 8)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def test_roots_are_the_recursive_definition_for_all_sizes_to_64() -> None:
    compact = CompactRange()
    for size in range(65):
        assert TREE.root(size) == mth(LEAVES[:size]) == compact.root()
        if size < 64:
            compact = compact.append(LEAVES[size])


def test_every_inclusion_proof_to_64_is_the_definition_and_verifies() -> None:
    for size in range(1, 65):
        root = TREE.root(size)
        for index in range(size):
            proof = TREE.inclusion_proof(index, size)
            assert list(proof) == path(index, LEAVES[:size])
            verify_inclusion(LEAVES[index], index, size, proof, root)


def test_every_consistency_proof_to_64_is_the_definition_and_verifies() -> None:
    for second in range(65):
        for first in range(second + 1):
            proof = TREE.consistency_proof(first, second)
            assert list(proof) == (subproof(first, LEAVES[:second], True) if first else [])
            verify_consistency(first, second, TREE.root(first), TREE.root(second), proof)


def test_no_inclusion_proof_to_64_survives_tampering() -> None:
    for size in range(1, 65):
        root = TREE.root(size)
        for index in range(size):
            good = TREE.inclusion_proof(index, size)
            forged = [
                (flipped(LEAVES[index]), index, size, good, root),
                (LEAVES[index], index, size, good, flipped(root)),
                (LEAVES[index], size, size, good, root),
                (LEAVES[index], index, size, (*good, root), root),
                *((LEAVES[index], index, size, (*good[:n], flipped(good[n]), *good[n + 1 :]), root) for n in range(len(good))),
            ]
            if good:
                forged.append((LEAVES[index], index, size, good[:-1], root))
                forged.append((LEAVES[index], index ^ 1, size, good, root))
            for leaf, at, of, proof, top in forged:
                with pytest.raises(BadProof):
                    verify_inclusion(leaf, at, of, proof, top)


def test_no_consistency_proof_to_32_survives_tampering() -> None:
    for second in range(1, 33):
        for first in range(1, second + 1):
            older, newer = TREE.root(first), TREE.root(second)
            good = TREE.consistency_proof(first, second)
            forged = [
                (flipped(older), newer, good),
                (older, flipped(newer), good),
                (older, newer, (*good, newer)),
                *((older, newer, (*good[:n], flipped(good[n]), *good[n + 1 :])) for n in range(len(good))),
            ]
            if good:
                forged.append((older, newer, good[:-1]))
            for old, new, proof in forged:
                with pytest.raises(BadProof):
                    verify_consistency(first, second, old, new, proof)


@given(st.integers(1, 300), st.data())
def test_changing_any_leaf_changes_the_root_and_breaks_consistency(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(index + 1, size))
    honest = MerkleTree(leaves.__getitem__)
    edited = [*leaves[:index], flipped(leaves[index]), *leaves[index + 1 :]]
    rewritten = MerkleTree(edited.__getitem__)
    assert rewritten.root(size) != honest.root(size)
    with pytest.raises(BadProof):
        verify_consistency(first, size, honest.root(first), rewritten.root(size), rewritten.consistency_proof(first, size))


@given(st.integers(1, 2000), st.data())
def test_large_trees_prove_and_verify_with_kept_subtrees(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    tree = MerkleTree(leaves.__getitem__)
    for _ in range(3):
        index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
        verify_inclusion(leaves[index], index, size, tree.inclusion_proof(index, size), tree.root(size))
        verify_consistency(first, size, tree.root(first), tree.root(size), tree.consistency_proof(first, size))


def test_a_second_proof_reads_few_leaves() -> None:
    reads = 0

    def leaf(index: int) -> bytes:
        nonlocal reads
        reads += 1
        return leaf_hash(index.to_bytes(4, "big"))

    tree = MerkleTree(leaf)
    tree.inclusion_proof(0, 10_000)
    assert reads >= 9_999
    reads = 0
    tree.inclusion_proof(7_777, 10_000)
    assert reads < 300


def test_a_compact_range_goes_on_where_it_was_stored() -> None:
    stored = CompactRange()
    for leaf in LEAVES[:37]:
        stored = stored.append(leaf)
    resumed = CompactRange(stored.size, stored.peaks)
    for leaf in LEAVES[37:]:
        resumed = resumed.append(leaf)
    assert resumed.root() == TREE.root(64)
    assert len(resumed.peaks) == 1


@pytest.mark.parametrize(("size", "peaks"), [(-1, ()), (1, ()), (3, (b"",)), (4, (b"", b""))])
def test_a_compact_range_that_cannot_be_is_refused(size: int, peaks: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidInput):
        CompactRange(size, peaks)


def test_proofs_outside_the_tree_are_refused() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(InvalidInput):
            TREE.inclusion_proof(index, size)
        with pytest.raises(BadProof):
            verify_inclusion(LEAVES[0], index, size, (), LEAVES[0])
    for first, second in ((-1, 3), (4, 3)):
        with pytest.raises(InvalidInput):
            TREE.consistency_proof(first, second)
        with pytest.raises(BadProof):
            verify_consistency(first, second, EMPTY_ROOT, EMPTY_ROOT, ())


def test_the_empty_log_has_one_root_only() -> None:
    verify_consistency(0, 5, EMPTY_ROOT, TREE.root(5), ())
    with pytest.raises(BadProof):
        verify_consistency(0, 5, TREE.root(1), TREE.root(5), ())


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = LEAVES[0], LEAVES[1]
    assert leaf_hash(left + right) != TREE.root(2)
    with pytest.raises(BadProof):
        verify_inclusion(leaf_hash(left + right), 0, 1, (), TREE.root(2))


def test_hashes_of_another_length_are_refused() -> None:
    with pytest.raises(BadProof):
        verify_inclusion(LEAVES[0], 0, 2, (LEAVES[1] + b"x",), TREE.root(2))


def test_a_genuine_proof_of_another_size_is_refused() -> None:
    one, two, four = TREE.root(1), TREE.root(2), TREE.root(4)
    for leaf, size, proof, root in (
        (LEAVES[0], 2, (), one),
        (LEAVES[0], 1, TREE.inclusion_proof(0, 2), two),
        (LEAVES[0], 8, TREE.inclusion_proof(0, 2), two),
    ):
        with pytest.raises(BadProof):
            verify_inclusion(leaf, 0, size, proof, root)
    for second, root, proof in (
        (4, two, TREE.consistency_proof(1, 2)),
        (2, four, TREE.consistency_proof(1, 4)),
    ):
        with pytest.raises(BadProof):
            verify_consistency(1, second, one, root, proof)
    with pytest.raises(BadProof):
        verify_consistency(3, 4, TREE.root(3), four, ())


def test_a_proof_cannot_climb_above_the_root_of_its_size() -> None:
    with pytest.raises(BadProof):
        verify_inclusion(LEAVES[1], 0, 1, (LEAVES[0],), TREE.root(2))
    older, newer, beside = TREE.root(3), TREE.root(4), LEAVES[9]
    higher = [hashlib.sha256(b"\x01" + beside + root).digest() for root in (older, newer)]
    with pytest.raises(BadProof):
        verify_consistency(3, 4, higher[0], higher[1], (*TREE.consistency_proof(3, 4), beside))


def test_bytes_cannot_move_from_one_child_to_the_other() -> None:
    longer, shorter = LEAVES[0] + LEAVES[1][:1], LEAVES[1][1:]
    with pytest.raises(BadProof):
        verify_inclusion(longer, 0, 2, (shorter,), TREE.root(2))
    with pytest.raises(BadProof):
        verify_consistency(1, 2, longer, TREE.root(2), (shorter,))
