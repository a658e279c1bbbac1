"""A loaded decision model: rows in, answers out; explained by the rules that fired."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.dmn.engine import Model
from modelyard.kinds.contract import Batch, Explanation
from modelyard.kinds.rules import answers, cells, explaining, hits
from modelyard.kinds.rules.artifact import File
from modelyard.kinds.rules.evaluating import Evaluation, entry
from modelyard.kinds.signature import Signature


class RulesPredictor:
    """Safe to call from several threads: the model is immutable, and an evaluation keeps its state to itself."""

    def __init__(self, model: Model, signature: Signature, examples: Sequence[File] = ()) -> None:
        found = answers.declared(model, signature.outputs) if signature.outputs else answers.natural(model)
        self.model, self.answers, self.examples = model, found, tuple(examples)
        self.signature = signature.model_copy(update={"outputs": tuple(answer.spec for answer in found)})
        self.evaluation = Evaluation(model, signature, list(dict.fromkeys(answer.decision for answer in found)))

    def predict(self, batch: Batch) -> Batch:
        """Answers for every row. Raises InvalidInput naming field and row. A nullable field that is missing is null."""
        return self.answer(cells.conformed(batch, self.signature.inputs))

    def answer(self, conformed: Batch) -> Batch:
        """Answers for a batch that already fits the signature."""
        values = self.evaluation.values(conformed)
        return {a.spec.name: cells.written([entry(v, a.path) for v in values[a.decision]], a.spec) for a in self.answers}

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """The rules that fired, row by row. There is nothing to compare with, so `background` is not looked at."""
        return explaining.explain(self.evaluation, batch)

    def observe(self, batch: Batch) -> Batch:
        """Which rule of each table fired, row by row; see `hits`."""
        return hits.observed(self.evaluation, batch)
