"""Rows answered by the arms of a batch: fitted, drawn, asked, and put together again, as columns from end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core.errors import InvalidInput, ModelyardError, NotFound, Unavailable
from modelyard.kinds.batches import take
from modelyard.kinds.contract import Batch, Predictor
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.batch.called import names_of
from modelyard.runtime.batch.fitting import FLOATS, Fault, Fitted, fit
from modelyard.runtime.batch.model import Invalid, Order, Pin
from modelyard.runtime.batch.protecting import protections
from modelyard.runtime.routing import Shares, draw
from modelyard.trust.statements import EndpointPolicy

CONSTANT = "constant"
ADDED = ("decision_id", "arm", "version")
"""Columns that the output has besides what is kept and what the model says."""


@dataclass(slots=True)
class Answered:
    """Answers to the rows of a table that got one. `rows` are their numbers in the table (None: all of them); `arms` says for
    each which pin answered (None: the first one did); where the constant did in place of a pin, -1 less that pin's number."""

    outputs: dict[str, Any]
    rows: Any | None
    arms: Any | None
    fitted: Fitted
    seconds: float
    faults: list[Fault] = field(default_factory=list)


class Scorer:
    """The arms of a batch with their models, and what its order says about rows. Used by one thread."""

    def __init__(
        self,
        order: Order,
        pins: Sequence[Pin],
        predictors: Mapping[str, Predictor],
        salt: str,
        constant: dict[str, object] | None,
        policy: EndpointPolicy | None = None,
    ) -> None:
        self.order, self.pins = order, tuple(pins)
        self._salt = salt
        self._shares = Shares([pin.share for pin in pins])
        self._predictors = [predictors[pin.name] for pin in pins]
        self._ask = [getattr(p, "answer", p.predict) for p in self._predictors]
        self.specs = _union([p.signature.inputs for p in self._predictors])
        self.outputs = self._predictors[0].signature.outputs
        every = [spec for p in self._predictors for spec in (*p.signature.inputs, *p.signature.outputs)]
        self.protected = protections(policy, every) if policy is not None else {}
        self._require_same_answers()
        self._constant = {} if constant is None else {spec.name: self._of_constant(spec, constant) for spec in self.outputs}

    def keep(self, columns: Sequence[str]) -> list[str]:
        """The input columns to repeat, out of those that there are. Raises InvalidInput for one that is not there, or has the
        name of something that the batch adds."""
        wanted = list(columns if self.order.keep is None else self.order.keep)
        missing = next((name for name in wanted if name not in columns), None)
        if missing is not None:
            raise NotFound(f"column {missing!r} is not in the input", field="keep", hint=f"it has: {', '.join(columns)[:300]}")
        taken = {spec.name for spec in self.outputs} | set(ADDED)
        clash = [name for name in wanted if name in taken]
        if clash and self.order.keep is None:
            return [name for name in wanted if name not in taken]
        if clash:
            raise InvalidInput(f"the batch adds a column {clash[0]!r} of its own", field="keep", hint="do not keep that one")
        return wanted

    def require_columns(self, columns: Sequence[str], path: str) -> None:
        """Raises InvalidInput naming the file when it lacks what the models take."""
        for spec in self.specs:
            if spec.name not in columns:
                known = ", ".join(columns)[:300]
                raise InvalidInput(f"{path} has no column {spec.name!r}", field=spec.name, hint=f"it has: {known}")
        self.columns(columns)

    def columns(self, columns: Sequence[str]) -> list[str]:
        """What has to be read of the input. Raises InvalidInput for a column of it that is there twice."""
        special = [name for name in (self.order.key, self.order.subject) if name is not None]
        for name in special:
            if name not in columns:
                raise NotFound(f"column {name!r} is not in the input", field="key")
        wanted = list(dict.fromkeys([*self.keep(columns), *(spec.name for spec in self.specs), *special]))
        twice = next((name for name in wanted if columns.count(name) > 1), None)
        if twice is not None:
            raise InvalidInput(f"the input has column {twice!r} twice", field=twice, hint="rename one, or do not keep it")
        return wanted

    def schema(self, columns: Any) -> Any:
        """The Arrow schema of the output, given that of the input."""
        self.columns(columns.names)
        kept = [columns.field(name).with_nullable(True).remove_metadata() for name in self.keep(columns.names)]
        word = pa.dictionary(pa.int32(), pa.string())
        outputs = [pa.field(spec.name, _arrow_type(spec)) for spec in self.outputs]
        return pa.schema([*kept, *outputs, ("decision_id", pa.string()), ("arm", word), ("version", word)])

    def answer(self, table: Any, first: str, parse: bool = False, broken: Mapping[int, str] | None = None) -> Answered:
        """Answers for a table of rows. `first` names the rows' place, for draws without a key; `broken` says of some why they are
        no rows. Raises what the model raises."""
        fitted = fit(table, self.specs, parse=parse, hidden=self.protected, broken=broken)
        if fitted.bad is not None and self.order.invalid is Invalid.FAIL:
            return Answered({}, fitted.good(), None, fitted, 0.0, fitted.faults)
        good = fitted.good()
        batch = fitted.batch if good is None else take(fitted.batch, good)
        rows = table.num_rows if good is None else len(good)
        started = perf_counter()
        arms = self._drawn(table, good, rows, first)
        outputs = self._asked(batch, rows, arms)
        seconds = perf_counter() - started
        if fitted.bad is None or self.order.invalid is Invalid.SKIP:
            return Answered(outputs, good, arms, fitted, seconds, fitted.faults)
        which = self.stand_ins(table, first)
        which[good] = 0 if arms is None else arms
        return self._with_constant(good, outputs, which, fitted, seconds)

    def stand_ins(self, table: Any, first: str) -> Any:
        """The constant's number in `Answered.arms` for each row of a table: in place of the pin that the row was drawn for."""
        asked = self._drawn(table, None, table.num_rows, first)
        return np.full(table.num_rows, -1, np.int64) if asked is None else -1 - asked

    def _drawn(self, table: Any, good: Any | None, rows: int, first: str) -> Any | None:
        """Which pin answers each row; None when the first one answers them all."""
        if len(self.pins) == 1:
            return None
        places = range(table.num_rows) if good is None else good.tolist()
        keys = [f"{first}:{place}" for place in places]
        if self.order.key is not None:
            column = table[self.order.key] if good is None else table[self.order.key].take(pa.array(good))
            number = any(spec.name == self.order.key and spec.type in FLOATS for spec in self.specs)
            keys = [place if name is None else name for name, place in zip(names_of(column, number), keys, strict=True)]
        return np.fromiter((self._shares.arm(draw(self._salt, key)) for key in keys), np.int64, rows)

    def _asked(self, batch: Batch, rows: int, arms: Any | None) -> dict[str, Any]:
        if arms is None:
            return self._predicted(0, batch, rows)
        together: dict[str, Any] = {}
        for place in range(len(self.pins)):
            mine = np.flatnonzero(arms == place)
            for name, values in self._predicted(place, take(batch, mine), len(mine)).items():
                together.setdefault(name, np.empty((rows, *values.shape[1:]), values.dtype))[mine] = values
        return together

    def _predicted(self, place: int, batch: Batch, rows: int) -> dict[str, Any]:
        """The outputs that callers rely on, by name. Raises Unavailable for whatever a model raises that is no error of ours."""
        if not rows:
            return {s.name: np.empty((0, *s.shape), s.type.numpy) for s in self.outputs}
        mine = {spec.name for spec in self._predictors[place].signature.inputs}
        if len(mine) < len(batch):
            batch = {name: column for name, column in batch.items() if name in mine}
        try:
            found = self._ask[place](batch)
        except ModelyardError:
            raise
        except Exception as error:
            why = type(error).__name__ if self.protected else f"{error!r:.300}"  # a model may tell what it was asked
            raise Unavailable(f"arm {self.pins[place].name!r} failed: {why}", field="arm") from error
        return {spec.name: found[spec.name] for spec in self.outputs}

    def _with_constant(self, good: Any, outputs: dict[str, Any], which: Any, fitted: Fitted, seconds: float) -> Answered:
        """All rows: those that fit with the model's answers, the others with the constant's."""
        whole: dict[str, Any] = {}
        for spec in self.outputs:
            values = np.empty((len(which), *spec.shape), spec.type.numpy)
            values[:] = self._constant[spec.name]
            values[good] = outputs[spec.name]
            whole[spec.name] = values
        return Answered(whole, None, which, fitted, seconds, fitted.faults)

    def _require_same_answers(self) -> None:
        for pin, predictor in zip(self.pins, self._predictors, strict=True):
            given = {spec.name: spec for spec in predictor.signature.outputs}
            for spec in self.outputs:
                other = given.get(spec.name)
                if other is None or (other.type, other.shape) != (spec.type, spec.shape):
                    raise InvalidInput(
                        f"arm {pin.name!r} gives no output {spec.name!r} as {self.pins[0].name!r} does", field="arm"
                    )

    def _of_constant(self, spec: FieldSpec, constant: Mapping[str, object]) -> Any:
        """The constant's value as a row of an output. Raises InvalidInput when it has none that the output can be."""
        if spec.name not in constant:
            raise InvalidInput(f"the endpoint's constant has no {spec.name!r}", field="invalid", hint="skip rows instead")
        value = constant[spec.name]
        try:
            return np.asarray(value, dtype=spec.type.numpy).reshape(spec.shape)
        except (TypeError, ValueError, OverflowError) as error:
            told = (
                f"the endpoint's constant has {value!r:.80} for {spec.name!r}, which is {spec.type} of shape {list(spec.shape)}"
            )
            raise InvalidInput(told, field="invalid", hint="give the endpoint another constant, or skip rows instead") from error


def output_array(values: Any, spec: FieldSpec) -> Any:
    """An output as an Arrow column."""
    if not spec.shape:
        return pa.array(values, _arrow_type(spec))
    flat = pa.array(values.reshape(-1), _scalar_type(spec))
    return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(spec.shape)))


def _arrow_type(spec: FieldSpec) -> Any:
    kind = _scalar_type(spec)
    return pa.list_(kind, int(np.prod(spec.shape))) if spec.shape else kind


def _scalar_type(spec: FieldSpec) -> Any:
    return pa.string() if spec.type is DataType.BYTES else pa.from_numpy_dtype(spec.type.numpy)


def _union(signatures: Sequence[Sequence[FieldSpec]]) -> tuple[FieldSpec, ...]:
    """The inputs of all arms; where two tell different things of a field, a row has to fit the first."""
    found: dict[str, FieldSpec] = {}
    for specs in signatures:
        for spec in specs:
            found.setdefault(spec.name, spec)
    return tuple(found.values())
