"""Whether boxes cover a box, by sweeping over the columns: at each column the regions that the same rules share are one part.

Boxes are sets of regions a column; sets of rules are bits too. States that were found covered are remembered, so that a table
that is made like a grid costs little more than its size. Where no two boxes meet, counting regions tells at once what is covered.
A budget ends a search that would take too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import prod
from operator import or_, xor

from modelyard.dmn.analysis.axis import Mask, bits

Box = tuple[Mask, ...]


class GaveUp(Exception):
    """The budget was spent before the answer was found."""


class Budget:
    """Set operations that may still be done."""

    def __init__(self, work: int) -> None:
        self.work, self.spent = work, 0

    def spend(self, count: int) -> None:
        """Raises GaveUp."""
        self.spent += count
        if self.spent > self.work:
            raise GaveUp


class Cover:
    """What is left of `domain` when `boxes` are taken away. More boxes can be added; they are numbered as they come.

    `disjoint`: no two boxes have a point in common, nor will those that are added."""

    def __init__(self, domain: Box, boxes: Sequence[Box], budget: Budget, disjoint: bool = False) -> None:
        self.budget, self.count, self.disjoint = budget, 0, disjoint
        self.width = len(domain)
        self._order = _narrow_first(domain, boxes)
        self.domain = tuple(domain[column] for column in self._order)
        self._masks: list[list[Mask]] = [[] for _ in domain]
        self._any: list[Mask] = [0] * (self.width + 1)
        self._covered: set[tuple[int, Mask]] = set()
        self._alive: Mask = 0
        self._room = [prod(mask.bit_count() for mask in self.domain[column:]) for column in range(self.width + 1)]
        self._sizes: list[list[int]] = []
        for box in boxes:
            self.add(box)
        self._regions: list[list[tuple[Mask, Mask]]] = [self._shared(column) for column in range(self.width)]
        self._first = self._alive

    def add(self, box: Box) -> None:
        bit = 1 << self.count
        self.count += 1
        own = tuple(box[column] & self.domain[place] for place, column in enumerate(self._order))
        for column, mask in enumerate(own):
            self._masks[column].append(mask)
        if self.disjoint:
            self._sizes.append([prod(mask.bit_count() for mask in own[column:]) for column in range(self.width + 1)])
        if not all(own):
            return
        self._alive |= bit
        self._any[self.width] |= bit
        for column in range(self.width - 1, -1, -1):
            if own[column] != self.domain[column]:
                break
            self._any[column] |= bit

    def uncovered(self) -> Box | None:
        """A box of the domain that no box meets; None when there is none. Raises GaveUp."""
        if not all(self.domain):
            return None
        found = self._find(0, self._alive)
        if found is None:
            return None
        box = [0] * self.width
        for place, column in enumerate(self._order):
            box[column] = found[place]
        return tuple(box)

    def _find(self, column: int, alive: Mask) -> Box | None:
        if not alive:
            return self.domain[column:]
        if alive & self._any[column]:
            return None
        if (column, alive) in self._covered or (column, alive & self._first) in self._covered:
            return None
        if self.disjoint and self._filled(column, alive):
            return None
        for rules, part in sorted(self._parts(column, alive).items(), key=lambda item: item[0].bit_count()):
            found = self._find(column + 1, rules)
            if found is not None:
                return (part, *found)
        self._covered.add((column, alive))
        return None

    def _filled(self, column: int, alive: Mask) -> bool:
        """Whether boxes that do not meet have as many points, from a column on, as there are."""
        self.budget.spend(alive.bit_count())
        return sum(self._sizes[box][column] for box in bits(alive)) == self._room[column]

    def _parts(self, column: int, alive: Mask) -> dict[Mask, Mask]:
        """The regions of a column by the set of those rules, of the ones alive, that have them."""
        rules = alive & self._first
        regions = self._regions[column]
        if 2 * rules.bit_count() ** 2 < len(regions):
            return self._split_by(column, {0: self.domain[column]}, alive)
        self.budget.spend(len(regions))
        parts: dict[Mask, Mask] = {}
        for mask, sharing in regions:
            parts[sharing & rules] = parts.get(sharing & rules, 0) | mask
        return self._split_by(column, parts, alive & ~rules)

    def _split_by(self, column: int, parts: dict[Mask, Mask], boxes: Mask) -> dict[Mask, Mask]:
        masks = self._masks[column]
        by_mask: dict[Mask, Mask] = {}
        for box in bits(boxes):
            by_mask[masks[box]] = by_mask.get(masks[box], 0) | 1 << box
        for mask, sharing in by_mask.items():
            self.budget.spend(len(parts) + 1)
            parts = dict(_split(parts, mask, sharing))
        return parts

    def _shared(self, column: int) -> list[tuple[Mask, Mask]]:
        """Sets of regions that the same rules have, with the rules."""
        by_mask: dict[Mask, Mask] = {}
        for rule, mask in enumerate(self._masks[column]):
            by_mask[mask] = by_mask.get(mask, 0) | 1 << rule
        changes = [0] * (self.domain[column].bit_length() + 1)
        for mask, rules in by_mask.items():
            for low, high in _pieces(mask):
                self.budget.spend(1)
                changes[low] ^= rules
                changes[high + 1] ^= rules
        shared: dict[Mask, Mask] = {}
        for region, rules in enumerate(accumulate(changes, xor)):
            if self.domain[column] >> region & 1:
                shared[rules] = shared.get(rules, 0) | 1 << region
        return [(mask, rules) for rules, mask in shared.items()]


def _narrow_first(domain: Box, boxes: Sequence[Box]) -> list[int]:
    """Columns in which most rules ask for something come first: they leave the fewest rules."""
    wide = [sum(box[column] & domain[column] == domain[column] for box in boxes) for column in range(len(domain))]
    return sorted(range(len(domain)), key=lambda column: wide[column])


def _split(parts: dict[Mask, Mask], mask: Mask, rules: Mask) -> Iterator[tuple[Mask, Mask]]:
    for others, part in parts.items():
        if part & mask:
            yield others | rules, part & mask
        if part & ~mask:
            yield others, part & ~mask


def gaps(domain: Box, boxes: Sequence[Box], limit: int, budget: Budget, disjoint: bool = False) -> Iterator[Box]:
    """Boxes that together are all that is not covered, each as large as it can be; at most `limit`. Raises GaveUp.

    `disjoint`: no two of the boxes have a point in common."""
    cover = Cover(domain, boxes, budget, disjoint)
    told: list[Box] = []
    for _ in range(limit):
        found = cover.uncovered()
        if found is None:
            return
        grown = _grown(found, domain, boxes, budget)
        yield grown
        for piece in _without(grown, told, budget):
            cover.add(piece)
        told.append(grown)


def _without(box: Box, others: Sequence[Box], budget: Budget) -> list[Box]:
    """Disjoint boxes that are all of a box but the others."""
    pieces = [box]
    for other in others:
        budget.spend(len(pieces))
        pieces = [rest for piece in pieces for rest in _difference(piece, other)]
    return pieces


def _difference(box: Box, other: Box) -> Iterator[Box]:
    if not all(mine & theirs for mine, theirs in zip(box, other, strict=True)):
        yield box
        return
    rest = list(box)
    for column, mask in enumerate(other):
        if rest[column] & ~mask:
            yield (*rest[:column], rest[column] & ~mask, *rest[column + 1 :])
        rest[column] &= mask


def _grown(box: Box, domain: Box, boxes: Sequence[Box], budget: Budget) -> Box:
    """The box widened, one column after the other, as far as no rule is met."""
    grown = list(box)
    for column in reversed(range(len(box))):
        taken = 0
        budget.spend(len(boxes))
        for other in boxes:
            if all(grown[i] & other[i] for i in range(len(box)) if i != column):
                taken |= other[column]
        grown[column] = domain[column] & ~taken
    return tuple(grown)


def meeting(boxes: Sequence[Box], others: Sequence[Box], budget: Budget) -> list[Mask]:
    """For each box the numbers of those others with which it has a point in common. Raises GaveUp."""
    found = [(1 << len(others)) - 1] * len(boxes)
    for column in range(len(boxes[0]) if boxes else 0):
        touched = _touched({box[column] for box in boxes}, [other[column] for other in others], budget)
        for number, box in enumerate(boxes):
            found[number] &= touched[box[column]]
    return found


def _touched(masks: Iterable[Mask], others: Sequence[Mask], budget: Budget) -> dict[Mask, Mask]:
    """For each mask the numbers of the others that share a region with it.

    Most masks are one run of regions: such a run meets those that begin before its end, but for those that end before it."""
    by_mask: dict[Mask, Mask] = {}
    for number, mask in enumerate(others):
        by_mask[mask] = by_mask.get(mask, 0) | 1 << number
    size = max((mask.bit_length() for mask in by_mask), default=0)
    begin, end = [0] * (size + 1), [0] * (size + 1)
    scattered = []
    for mask, numbers in by_mask.items():
        pieces = list(_pieces(mask))
        if len(pieces) > 1:
            scattered.append((mask, numbers))
        for low, high in pieces if len(pieces) == 1 else ():
            begin[low] |= numbers
            end[high + 1] |= numbers
    begun, ended = list(accumulate(begin, or_)), list(accumulate(end, or_))
    budget.spend(2 * size)
    found = {}
    for mask in masks:
        budget.spend(1 + len(scattered) // 4)  # the steps behind these are the cheapest of all
        found[mask] = 0
        for low, high in _pieces(mask):
            found[mask] |= begun[min(high, size)] & ~ended[min(low, size)]
        for other, numbers in scattered:
            if mask & other:
                found[mask] |= numbers
    return found


def _pieces(mask: Mask) -> Iterator[tuple[int, int]]:
    """The first and the last member of each run."""
    start = 0
    while mask:
        skipped = (mask & -mask).bit_length() - 1
        mask >>= skipped
        length = (~mask & (mask + 1)).bit_length() - 1
        yield start + skipped, start + skipped + length - 1
        mask >>= length
        start += skipped + length
