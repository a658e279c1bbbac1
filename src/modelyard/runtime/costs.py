"""What a call of a model costs: so much for the call, and so much for each row, learnt as it runs. Pure."""

from __future__ import annotations

_KEEP = 0.97
_FADE = 0.9
_CALL_SHARE = 0.1
_LARGE = 1 << 30


class Cost:
    """The line `a + b · rows` through the times of past calls: least squares, older calls weigh less and less."""

    __slots__ = ("_nn", "_nt", "_ones", "_rows", "_time", "call", "row")

    def __init__(self) -> None:
        self._ones = self._rows = self._nn = self._time = self._nt = 0.0
        self.call = self.row = 0.0

    @property
    def known(self) -> bool:
        """Whether there was a call to learn from."""
        return self._ones > 0

    def learn(self, rows: int, seconds: float) -> None:
        """A call with so many rows took so long."""
        self._ones = self._ones * _KEEP + 1
        self._rows = self._rows * _KEEP + rows
        self._nn = self._nn * _KEEP + rows * rows
        self._time = self._time * _KEEP + seconds
        self._nt = self._nt * _KEEP + rows * seconds
        spread = self._ones * self._nn - self._rows * self._rows
        mean = self._time / self._ones
        row = (self._ones * self._nt - self._rows * self._time) / spread if spread > 1e-9 * self._nn else 0.0
        self.row = max(0.0, min(row, self._nt / self._nn))
        self.call = max(0.0, mean - self.row * self._rows / self._ones)

    def fade(self) -> None:
        """Believe in a lower cost: what is never asked because it seems too slow would never be learnt anew."""
        self._time, self._nt = self._time * _FADE, self._nt * _FADE
        self.call, self.row = self.call * _FADE, self.row * _FADE

    def of(self, rows: int) -> float:
        """The seconds that a call with so many rows should take."""
        return self.call + self.row * rows

    def rows_within(self, seconds: float) -> int:
        """How many rows a call of that length can hold: at least one, or nothing would ever be answered."""
        left = seconds - self.call
        if left <= 0:
            return 1
        return max(1, int(left / self.row)) if self.row * _LARGE > left else _LARGE

    @property
    def enough(self) -> int:
        """From so many rows on a call's own cost hardly matters: then waiting for more does not pay."""
        most = self.call * (1 / _CALL_SHARE - 1)
        return int(most / self.row) + 1 if self.row * _LARGE > most else _LARGE
