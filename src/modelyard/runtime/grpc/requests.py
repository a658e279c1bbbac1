"""From a request message to what is asked, and from what is said to a response message. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.runtime import tensors
from modelyard.runtime.aside import MANY
from modelyard.runtime.asked import MOST_ROWS, Asked, Given, Said
from modelyard.runtime.forms.limits import few_enough
from modelyard.runtime.forms.numbers import finite
from modelyard.runtime.grpc.messages import messages
from modelyard.runtime.protocol import Parameters

_LISTS = frozenset({"routing_keys", "subject", "event_time"})
"""Parameters that may hold one value a row: gRPC's parameters are scalars, so such a list comes as JSON text."""
_NAMED = 20
"""So many decisions are named in an error: it travels in a header."""


def many(request: Any) -> bool:
    """Whether its tensors say that they have more values than should be gone through in the event loop."""
    given = request.inputs
    return len(given) > MANY or sum(abs(prod(tensor.shape[: tensors.MOST_AXES])) for tensor in given) > MANY


def read(request: Any, most_rows: int = MOST_ROWS) -> Asked:
    """What a ModelInferRequest asks. More rows than `most_rows` are refused before any value is made of them. Raises InvalidInput
    that says what is wrong and where."""
    if not request.inputs:
        raise InvalidInput("no inputs", field="inputs")
    for tensor in request.inputs:
        few_enough(tensor.shape[0] if tensor.shape else 0, most_rows, tensor.name)
    shape = request.inputs[0].shape
    return Asked(
        given=_given(request),
        rows=shape[0] if shape else 0,
        id=request.id or None,
        version=request.model_version or None,
        parameters=_parameters(request.parameters),
        outputs=[output.name for output in request.outputs] or None,
    )


def _given(request: Any) -> dict[str, Given]:
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidInput(f"{len(raw)} raw contents for {len(request.inputs)} inputs", field="raw_input_contents")
    given: dict[str, Given] = {}
    for place, tensor in enumerate(request.inputs):
        if tensor.name in given:
            raise InvalidInput("an input is given twice", field=tensor.name)
        if raw and tensor.HasField("contents"):
            raise InvalidInput(f"input {tensor.name!r} has typed contents beside raw ones", field=tensor.name)
        values = (
            tensors.from_raw(tensor.name, tensor.datatype, tensor.shape, raw[place])
            if raw
            else tensors.from_contents(tensor.name, tensor.datatype, tensor.shape, tensor.contents)
        )
        given[tensor.name] = finite(tensor.name, values) if isinstance(values, np.ndarray) else values
    return given


def _parameters(given: Mapping[str, Any]) -> Parameters | None:
    """Those that mean something here; others are ignored, as the protocol asks."""
    plain: dict[str, Any] = {}
    for name in Parameters.__struct_fields__:
        if name in given:
            which = given[name].WhichOneof("parameter_choice")
            plain[name] = _listed(name, getattr(given[name], which)) if which else None
    try:
        return msgspec.convert(plain, Parameters) if plain else None
    except msgspec.ValidationError as error:
        raise InvalidInput(f"parameters are not right: {error}", field="parameters") from error


def _listed(name: str, value: Any) -> Any:
    if name not in _LISTS or not isinstance(value, str) or not value.startswith("["):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"a list that is no JSON: {error}", field=f"parameters.{name}") from error


def write(said: Said, raw: bool) -> Any:
    """The response: contents raw when the request's were (or when a type travels only so), else typed. Decision ids and groups
    are JSON texts in `parameters`. Raises InvalidInput, naming the decisions, when an output's type cannot carry what is missing:
    they are made and logged by then."""
    kinds = messages()
    response = kinds["ModelInferResponse"](model_name=said.endpoint, model_version=said.version or "", id=said.id)
    response.parameters["decision_ids"].string_param = msgspec.json.encode(said.ids).decode()
    response.parameters["groups"].string_param = msgspec.json.encode(said.groups).decode()
    response.parameters["epoch"].int64_param = said.epoch
    if said.unlogged:
        response.parameters["unlogged"].bool_param = True
    raw = raw or any(column.datatype not in tensors.TYPED for column in said.outputs)
    try:
        _fill(response, said, raw)
    except InvalidInput as error:
        more = f", and {len(said.ids) - _NAMED} more" if len(said.ids) > _NAMED else ""
        told = f"{error.detail}; the decisions are logged as {', '.join(said.ids[:_NAMED])}{more}"
        raise InvalidInput(told, field="outputs", hint=error.hint) from error
    return response


def _fill(response: Any, said: Said, raw: bool) -> None:
    for column in said.outputs:
        tensor = response.outputs.add(name=column.name, datatype=column.datatype, shape=[said.rows, *column.shape])
        if raw:
            response.raw_output_contents.append(tensors.to_raw(column.datatype, column.values))
        else:
            tensors.into_contents(column.datatype, column.values, tensor.contents)
