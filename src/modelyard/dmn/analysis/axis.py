"""The values of one input, cut into elementary regions: the values that its cells mention, and the open intervals between them.

No cell distinguishes two values of a region. So a condition is a set of regions, held as the bits of an integer, and what
holds for the regions holds for all values: the analysis is exact over an infinite domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from modelyard.dmn.analysis.scales import MIXES, NUMBERS, Key, Scale
from modelyard.dmn.feel.semantics import written
from modelyard.dmn.feel.values import Value

FRACTION = 4
"""The preference of regions that have no whole number, and more."""

Mask = int
"""A set of regions (or of rules): bit n is the region (the rule) n."""


def bits(mask: Mask) -> Iterator[int]:
    """The members of a set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class OrderedSegment:
    """A scale cut at `keys`: region 2i+1 is the i-th key, the even ones are the intervals before, between and after."""

    def __init__(self, scale: Scale, keys: Iterable[Key], start: int) -> None:
        self.scale, self.keys, self.start = scale, sorted(set(keys)), start
        self.size = 2 * len(self.keys) + 1
        self.whole: Mask = ((1 << self.size) - 1) << start
        self._place = {key: index for index, key in enumerate(self.keys)}
        self.name = scale.name
        self._samples: dict[int, Value | None] = {}

    def at(self, value: Value) -> Mask:
        return 1 << (self.start + 2 * self._place[self.scale.key(value)] + 1)

    def order(self, operator: str, value: Value) -> Mask:
        """The regions of values that are `operator` (< <= > >=) the value."""
        place = 2 * self._place[self.scale.key(value)] + 1 + (operator in ("<=", ">"))
        below = ((1 << place) - 1) << self.start
        return below if operator in ("<", "<=") else self.whole & ~below

    def ends(self, region: int) -> tuple[Key | None, Key | None]:
        """The keys of a region's ends; both the same for a point."""
        index, odd = divmod(region - self.start, 2)
        if odd:
            return self.keys[index], self.keys[index]
        return self.keys[index - 1] if index else None, self.keys[index] if index < len(self.keys) else None

    def sample(self, region: int) -> Value | None:
        """A typical value; None where the region has none (between two days that follow each other)."""
        if region not in self._samples:
            low, high = self.ends(region)
            point = low is not None and low == high
            self._samples[region] = self.scale.value(low) if point else self.scale.between(low, high)
        return self._samples[region]

    def preference(self, region: int) -> int:
        """Which regions give the most natural examples, the least first: whole numbers, from bounded intervals."""
        low, high = self.ends(region)
        value = self.sample(region)
        odd = self.scale is NUMBERS and isinstance(value, Decimal) and value != value.to_integral_value()
        return FRACTION * odd + (int(low is None or high is None) or 2 * (low == high))

    def words(self, mask: Mask, everything: Mask) -> list[str]:
        return [self._run(first, last) for first, last in _runs(mask & self.whole, everything & self.whole)]

    def _run(self, first: int, last: int) -> str:
        (low, low_end), (high_end, high) = self.ends(first), self.ends(last)
        low_closed, high_closed = low is not None and low == low_end, high is not None and high == high_end
        if low is None and high is None:
            return f"any {self.scale.name}"
        if low is None:
            return f"{'<=' if high_closed else '<'} {self._shown(high)}"
        if high is None:
            return f"{'>=' if low_closed else '>'} {self._shown(low)}"
        if low == high:
            return f"= {self._shown(low)}"
        return f"in {'[' if low_closed else '('}{self._shown(low)}..{self._shown(high)}{']' if high_closed else ')'}"

    def _shown(self, key: Key) -> str:
        return written(self.scale.value(key))


class ChoiceSegment:
    """Values without order, each a region; with `others` one more region for all that are not mentioned."""

    def __init__(self, values: Iterable[Value], others: bool, start: int) -> None:
        self.values, self.start = list(dict.fromkeys(values)), start
        self.others, self.name = others, "string" if others else "boolean"
        self.size = len(self.values) + others
        self.whole: Mask = ((1 << self.size) - 1) << start
        self._place = {value: index for index, value in enumerate(self.values)}

    def at(self, value: Value) -> Mask:
        return 1 << (self.start + self._place[value])

    def order(self, operator: str, value: Value) -> Mask:
        return 0

    def sample(self, region: int) -> Value | None:
        index = region - self.start
        return self.values[index] if index < len(self.values) else self._other()

    def _other(self) -> str:
        names = ("other", "another", *(f"other {count}" for count in range(2, len(self.values) + 3)))
        return next(name for name in names if name not in self._place)

    def preference(self, region: int) -> int:
        return int(self.others and region == self.start + self.size - 1)

    def words(self, mask: Mask, everything: Mask) -> list[str]:
        """`everything`: the regions that can occur."""
        names = [written(self.values[region - self.start]) for region in bits(mask & self.whole) if self._named(region)]
        if not (mask & self.whole) >> (self.start + len(self.values)):
            return [f"= {names[0]}" if len(names) == 1 else f"one of {', '.join(names)}"] if names else []
        missing = [written(self.values[region - self.start]) for region in bits(everything & self.whole & ~mask)]
        return [f"none of {', '.join(missing)}" if missing else "any string"]

    def _named(self, region: int) -> bool:
        return region - self.start < len(self.values)


class OpaqueSegment:
    """All values of an input of which nothing is known but one of them; null stands here too, as a segment of its own."""

    size = 1

    def __init__(self, value: Value, text: str, start: int) -> None:
        self.value, self.text, self.start = value, text, start
        self.whole: Mask = 1 << start

    def at(self, value: Value) -> Mask:
        return 0

    def order(self, operator: str, value: Value) -> Mask:
        return 0

    def sample(self, region: int) -> Value | None:
        return self.value

    def preference(self, region: int) -> int:
        return 3

    def words(self, mask: Mask, everything: Mask) -> list[str]:
        return [self.text] if mask & self.whole else []


Segment = OrderedSegment | ChoiceSegment | OpaqueSegment


class Axis:
    """The segments of one input one after the other; `null` is the region of null, 0 if it is not taken into account.

    `all` are the regions that have values, `values` those but null."""

    def __init__(self, segments: Sequence[Segment], null: Mask) -> None:
        self.segments, self.null = segments, null
        self._segment = {index: s for s in segments for index in range(s.start, s.start + s.size)}
        self.all: Mask = 0
        for index, segment in self._segment.items():
            if 1 << index == null or segment.sample(index) is not None:
                self.all |= 1 << index
        self.values = self.all & ~null
        self._ranks: dict[int, Mask] = {}

    def segment_of(self, value: Value, scale: Scale | None) -> Segment | None:
        """Where a value lies; None when it is of a kind that this input never has."""
        for segment in self.segments:
            if isinstance(segment, OrderedSegment) and segment.scale is scale:
                return segment
            if isinstance(segment, ChoiceSegment) and type(value) is (str if segment.others else bool):
                return segment
        return None

    def is_mixed(self, scale: Scale) -> bool:
        """Whether values of a scale are compared with this input's values, but along no common line."""
        return any(isinstance(s, OrderedSegment) and MIXES.get(scale) is s.scale for s in self.segments)

    @property
    def is_opaque(self) -> bool:
        """Whether there may be values of any kind."""
        return any(isinstance(segment, OpaqueSegment) and 1 << segment.start != self.null for segment in self.segments)

    def sample(self, mask: Mask) -> Value:
        """The most natural example of a set of regions, which has some."""
        best = next(found for _, regions in sorted(self._ranked().items()) if (found := mask & regions))
        region = (best & -best).bit_length() - 1
        return self._segment[region].sample(region)

    def _ranked(self) -> dict[int, Mask]:
        """The regions that can occur by their preference: there are few different ones."""
        if not self._ranks:
            for region in bits(self.all):
                rank = self._segment[region].preference(region)
                self._ranks[rank] = self._ranks.get(rank, 0) | 1 << region
        return self._ranks

    def only_fractions(self, mask: Mask) -> bool:
        """Whether the regions are of numbers, but of no whole number."""
        chosen = mask & self.all
        return bool(chosen) and not any(chosen & regions for rank, regions in self._ranked().items() if rank < FRACTION)

    def words(self, mask: Mask, domain: Mask) -> str:
        """A set of regions for a reader: `< 18 or in [65..70)`."""
        parts = [part for segment in self.segments for part in segment.words(mask & self.all, domain & self.all)]
        return " or ".join(parts)


def _runs(mask: Mask, everything: Mask) -> Iterator[tuple[int, int]]:
    """The first and the last region of each run. A region that cannot occur does not end a run that goes on behind it."""
    first = last = None
    for region in bits(everything):
        if mask >> region & 1:
            first, last = region if first is None else first, region
        elif first is not None and last is not None:
            yield first, last
            first = None
    if first is not None and last is not None:
        yield first, last
