"""Why a row got its answer: the rules that fired, in words.

An attribution is a field's share of the conditions that the fired rules asked: it says what was looked at, not how much
it mattered. Fields that no condition mentions have none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from modelyard.core.errors import TooLarge
from modelyard.dmn.engine import Result
from modelyard.dmn.from_python import plain
from modelyard.dmn.run import Trace
from modelyard.kinds.batches import row_count
from modelyard.kinds.contract import Attribution, Batch, Explanation
from modelyard.kinds.fired import Words, brief
from modelyard.kinds.rules import cells
from modelyard.kinds.rules.evaluating import Evaluation, Row

METHOD = "rules that fired"
_MOST_SENTENCES = 30
_MOST_ROWS = 1_000


def explain(evaluation: Evaluation, batch: Batch) -> Sequence[Explanation]:
    """One explanation a row. Raises InvalidInput as `predict` does, TooLarge beyond 1000 rows."""
    if row_count(batch) > _MOST_ROWS:
        raise TooLarge(f"{row_count(batch)} rows to explain, at most {_MOST_ROWS} at once")
    words = Words(evaluation.model)
    return [_told(evaluation, words, row, results) for row, results in evaluation.traced(batch)]


def _told(evaluation: Evaluation, words: Words, row: Row, results: Sequence[Result]) -> Explanation:
    traces = [result.trace for result in results if result.trace is not None]
    sentences = list(dict.fromkeys(sentence for trace in traces for sentence in words.sentences(trace)))
    if len(sentences) > _MOST_SENTENCES:
        sentences = [*sentences[:_MOST_SENTENCES], f"and {len(sentences) - _MOST_SENTENCES} more"]
    if not sentences:
        sentences = [f"'{name}' is {brief(result.value)}" for name, result in zip(evaluation.decisions, results, strict=True)]
    reasons = [m.text.rstrip(".") for result in results if result.value is None for m in result.messages[-1:]]
    text = "; ".join([*sentences, *(f"it is null because {reason}" for reason in reasons)]) + "."
    return Explanation(method=METHOD, text=text, attributions=tuple(_attributions(evaluation, words, row, traces)))


def _attributions(evaluation: Evaluation, words: Words, row: Row, traces: Sequence[Trace]) -> Iterator[Attribution]:
    asked: Counter[str] = Counter()
    found = list(evaluation.fields())
    for expression in _expressions(words, traces):
        mentioned = [name for leaf, name in found if _mentions(expression, leaf.name, leaf.path or (leaf.root,))]
        asked.update(dict.fromkeys(mentioned, 1))
    whole = sum(asked.values())
    leaves = {name: leaf for leaf, name in found}
    for name, count in asked.most_common():
        value = row[leaves[name].root]
        for step in leaves[name].path:
            value = value.get(step) if isinstance(value, dict) else None
        shown = plain(value)
        shown = shown if shown is None or isinstance(shown, str | bool) else _simple(shown)
        yield Attribution(field=name, value=shown, contribution=count / whole)


def _simple(value: object) -> object:
    text = cells.text(value)
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text) else text


def _expressions(words: Words, traces: Sequence[Trace]) -> Iterator[str]:
    """The input expressions of the conditions of all rules that fired."""
    for trace in traces:
        for node in trace.nodes:
            for table in node.tables:
                for rule in table.rules:
                    yield from (expression for expression, _ in words.conditions(table, rule))


def _mentions(expression: str, whole: str, path: tuple[str, ...]) -> bool:
    """Whether an expression has the field's dotted name in it, or stands for it by its last name alone."""
    names = (whole, path[-1]) if len(path) else (whole,)
    return any(re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", expression) for name in names)
