"""A loaded model: batches are checked against the signature before the engine sees them, answers shaped after."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.core.errors import InvalidInput
from modelyard.kinds.batches import conform
from modelyard.kinds.contract import Batch, Explanation
from modelyard.kinds.ml import columns, explaining
from modelyard.kinds.ml.engines import Engine
from modelyard.kinds.signature import Signature


class MlPredictor:
    """Safe to call from several threads; engines that are not hold a lock of their own."""

    def __init__(self, engine: Engine, signature: Signature) -> None:
        self.engine = engine
        self._outputs = columns.outputs(signature, engine.natural, engine.classes)
        self.signature = signature if signature.outputs else signature.model_copy(update={"outputs": engine.natural})
        self._needed = tuple(field.name for field in engine.fields)

    def predict(self, batch: Batch) -> Batch:
        """Answers for every row. Raises InvalidInput naming the field that is missing, unknown, or of wrong type or shape."""
        return self.answer(conform(batch, self.signature.inputs, self._needed))

    def answer(self, conformed: Batch) -> Batch:
        """Answers for a batch that already fits the signature."""
        rows = len(next(iter(conformed.values())))
        raw = self.engine.answer(conformed)
        found = {output.spec.name: output.of(raw) for output in self._outputs}
        for name, column in found.items():
            if len(column) != rows:
                raise InvalidInput(f"the model answers {len(column)} rows of {name!r} for {rows}", field=name)
        return found

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """One explanation a row; without a background the batch itself is what rows are compared with."""
        rows = conform(batch, self.signature.inputs, self._needed)
        usual = rows if background is None else conform(background, self.signature.inputs, self._needed)
        return explaining.explain(self, rows, usual, given=background is not None)
