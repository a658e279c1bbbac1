"""Whether what a caller sends decides how long an ONNX model works, or how much memory it takes.

Most operators do work in proportion to the sizes of their inputs, which a request bounds. `Loop` runs as often as a number says,
and `Range`, `Expand`, `Tile` and their like make tensors as large as a number says: one small request could hold up, or end, the
process that answers it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_ALWAYS = frozenset(
    {
        "ImageDecoder",  # a small picture may unpack to a large one
        "Loop",
        "com.microsoft.BeamSearch",
        "com.microsoft.GreedySearch",
        "com.microsoft.Sampling",
        "com.microsoft.WhisperBeamSearch",
    }
)
_SIZED = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "ConstantOfShape": (0,),
    "DFT": (1,),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Resize": (2, 3),
    "STFT": (1, 3),
    "Tile": (1,),
    "Upsample": (1,),
    "com.microsoft.CropAndResize": (3,),
    "com.microsoft.Pad": (1,),
    "com.microsoft.Range": (0, 1, 2),
}
"""Operators with the inputs whose values say how large the output is: all that `onnx.defs` has in ONNX 1.23, and some of
onnxruntime's own."""
_MEASURES = frozenset({"Shape", "Size"})
"""What comes of these is known from the sizes of tensors alone."""
_NESTING = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""What comes of these is made in a graph of their own, of anything."""


@dataclass
class Work:
    """Who makes each value of a model's graphs, and what is known before a request comes."""

    made: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    always: set[str] = field(default_factory=set)
    sized: list[tuple[str, str]] = field(default_factory=list)

    def node(self, operator: str, inputs: tuple[str, ...], outputs: tuple[str, ...], of_function: bool) -> None:
        """One node. Names are unique over the graphs of a model, but not over its functions: those are called with anything."""
        if operator in _ALWAYS or (of_function and operator in _SIZED):
            self.always.add(operator)
        if of_function:
            return
        for name in outputs:
            self.made[name] = operator, inputs
        self.sized += [(operator, inputs[place]) for place in _SIZED.get(operator, ()) if place < len(inputs) and inputs[place]]

    def unbounded(self) -> tuple[str, ...]:
        """The operators whose work the values of a request decide, as far as can be told from the graph; in doubt they do."""
        return tuple(sorted(self.always | {operator for operator, name in self.sized if self._of_values(name)}))

    def _of_values(self, name: str) -> bool:
        """Whether values that come with a request go into it, other than by their sizes."""
        seen, left = {name}, [name]
        while left:
            one = left.pop()
            if one in self.fixed:
                continue
            if one not in self.made:  # an input of the model, or of a graph within it
                return True
            operator, inputs = self.made[one]
            if operator in _NESTING:
                return True
            if operator not in _MEASURES:
                new = {each for each in inputs if each} - seen
                seen |= new
                left += new
        return False
