"""A loaded GoRules JDM graph, evaluated by `zen-engine` with a static loader."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidArtifact, InvalidInput
from modelyard.kinds.contract import Attribution, Batch, Explanation
from modelyard.kinds.rules import cells, jdm
from modelyard.kinds.rules.fields import exact
from modelyard.kinds.rules.hits import NONE
from modelyard.kinds.signature import Signature

_KEY = "model"
_DEPTH = 8


class JdmPredictor:
    """Safe to call from several threads: the engine keeps no state between evaluations."""

    def __init__(self, document: jdm.Document, signature: Signature) -> None:
        outputs = signature.outputs or jdm.outputs(document)
        self.signature = signature.model_copy(update={"outputs": outputs})
        self.tables = [str(node.get("name") or node["id"]) for node in document.of_type("decisionTableNode")]
        content = msgspec.json.decode(document.data)
        # `ZenDecision.evaluate` builds a runtime at each call; the engine with a static loader does not.
        self._engine = _zen().ZenEngine({"loader": {"type": "static", "content": {_KEY: content}}})
        self._try()

    def predict(self, batch: Batch) -> Batch:
        """Answers for every row. Raises InvalidInput naming field and row."""
        return self.answer(cells.conformed(batch, self.signature.inputs))

    def answer(self, conformed: Batch) -> Batch:
        """Answers for a batch that already fits the signature."""
        results = [found["result"] for _, found in self._evaluated(conformed, trace=False)]
        return {o.name: cells.written([_value(_at(r, o.name)) for r in results], o) for o in self.signature.outputs}

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """The rules that fired, table by table in the order in which they were asked."""
        return [self._told(found) for _, found in self._evaluated(cells.conformed(batch, self.signature.inputs), trace=True)]

    def observe(self, batch: Batch) -> Batch:
        """The number of the rule that fired in each table; "none", or None for a table that was not asked."""
        rows = [
            {node["name"]: node for node in _ordered(found)}
            for _, found in self._evaluated(cells.conformed(batch, self.signature.inputs), trace=True)
        ]
        columns: Batch = {}
        for name in self.tables:
            columns[name] = np.empty(len(rows), dtype=object)
            columns[name][:] = [_fired(row[name]) if name in row else None for row in rows]
        return columns

    def _evaluated(self, conformed: Batch, *, trace: bool) -> Iterator[tuple[dict[str, Any], Any]]:
        columns = {field.name: cells.column(conformed[field.name], _plain, field) for field in self.signature.inputs}
        for number, values in enumerate(zip(*columns.values(), strict=True)):
            context = _nested(dict(zip(columns, values, strict=True)))
            try:
                yield context, self._engine.evaluate(_KEY, context, {"trace": trace, "max_depth": _DEPTH})
            except Exception as error:  # zen-engine raises plain exceptions
                raise InvalidInput(f"row {number}: the engine gave up: {error!s:.300}") from error

    def _try(self) -> None:
        """Whether the engine takes the graph at all: it compiles it when it is first evaluated."""
        try:
            self._engine.evaluate(_KEY, {}, {"max_depth": _DEPTH})
        except Exception as error:  # zen-engine raises plain exceptions
            if "unknown variant" in str(error) or "missing field" in str(error) or "invalid type" in str(error):
                raise InvalidArtifact(f"the engine does not take the graph: {error!s:.300}", field="artifact") from error

    def _told(self, found: Any) -> Explanation:
        sentences, asked = [], []
        for node in _ordered(found):
            data = node.get("traceData")
            if not isinstance(data, dict) or "rule" not in data:
                continue
            conditions = [(key.rpartition("[")[0], text) for key, text in data["rule"].items() if "[" in key and text]
            asked += [name for name, _ in conditions]
            values = data.get("reference_map", {})
            words = ", ".join(f"{name} {_json(values.get(name))} meets {text}" for name, text in conditions)
            note = f" ({data['rule']['_description']})" if data["rule"].get("_description") else ""
            rule = f"Rule {data['index'] + 1} of '{node['name']}' fired"
            sentences.append(f"{rule}{': ' + words if words else ', which asks nothing'} → {_json(node.get('output'))}{note}")
        text = "; ".join(sentences) or f"No table decided: the answer is {_json(found['result'])}"
        known = {field.name for field in self.signature.inputs}
        mentioned = [name for name in asked if name in known]
        shares = tuple(
            Attribution(field=name, value=None, contribution=mentioned.count(name) / len(mentioned))
            for name in dict.fromkeys(mentioned)
        )
        return Explanation(method="rules that fired", text=text + ".", attributions=shares)


def _zen() -> Any:
    try:
        return importlib.import_module("zen")
    except ImportError as error:
        raise InvalidArtifact("evaluating JDM needs zen-engine", field="artifact", hint="install the extra `jdm`") from error


def _plain(cell: Any) -> Any:
    """A cell as JSON has it; NaN and None are null."""
    if isinstance(cell, float) and cell != cell:  # noqa: PLR0124 -- NaN
        return None
    if isinstance(cell, float) and cell in (float("inf"), float("-inf")):
        raise ValueError("JSON has no infinite numbers")
    return int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2.0**53 else cell


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """`applicant.age` as an entry of `applicant`."""
    whole: dict[str, Any] = {}
    for name, value in row.items():
        *way, last = name.split(".")
        place = whole
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return whole


def _at(result: Any, name: str) -> Any:
    """The entry of that name, or at that dotted path."""
    if isinstance(result, dict) and name in result:
        return result[name]
    for step in name.split("."):
        result = result.get(step) if isinstance(result, dict) else None
    return result


def _value(found: Any) -> Any:
    """JSON's values as those that `cells` writes."""
    if isinstance(found, dict):
        return {name: _value(item) for name, item in found.items()}
    if isinstance(found, list):
        return [_value(item) for item in found]
    if isinstance(found, int) and not isinstance(found, bool):
        return Decimal(found)
    return exact(found) if isinstance(found, float) else found


def _ordered(found: Any) -> list[dict[str, Any]]:
    return sorted(found["trace"].values(), key=lambda node: node.get("order", 0))


def _fired(node: dict[str, Any]) -> str:
    data = node.get("traceData")
    rows = data if isinstance(data, list) else [data]
    numbers = [str(row["index"] + 1) for row in rows if isinstance(row, dict) and "index" in row]
    return "+".join(numbers) or NONE


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
