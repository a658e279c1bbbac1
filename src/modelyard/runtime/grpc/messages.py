"""The protocol's messages, by the field numbers of its specification (open_inference_grpc.proto; grpc/health/v1/health.proto).

Descriptors are built from the tables here instead of by the protocol compiler: generated code is bound to one release of
protobuf's runtime, these are not. Fields: `name type number`; types are scalars, names of messages, `[T]` for repeated,
`{T}` for a map from string, `oneof` first for the choice of a parameter.
"""

from __future__ import annotations

from functools import cache
from typing import Any

PARAMETERS = "parameters {InferParameter}"

INFERENCE = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live bool 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready bool 1",
    "ModelReadyRequest": "name string 1, version string 2",
    "ModelReadyResponse": "ready bool 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name string 1, version string 2, extensions [string] 3",
    "ModelMetadataRequest": "name string 1, version string 2",
    "TensorMetadata": "name string 1, datatype string 2, shape [int64] 3",
    "ModelMetadataResponse": (
        "name string 1, versions [string] 2, platform string 3, inputs [TensorMetadata] 4, outputs [TensorMetadata] 5"
    ),
    "InferParameter": (
        "oneof bool_param bool 1, oneof int64_param int64 2, oneof string_param string 3, oneof double_param double 4, "
        "oneof uint64_param uint64 5"
    ),
    "InferTensorContents": (
        "bool_contents [bool] 1, int_contents [int32] 2, int64_contents [int64] 3, uint_contents [uint32] 4, "
        "uint64_contents [uint64] 5, fp32_contents [float] 6, fp64_contents [double] 7, bytes_contents [bytes] 8"
    ),
    "InferInputTensor": f"name string 1, datatype string 2, shape [int64] 3, {PARAMETERS} 4, contents InferTensorContents 5",
    "InferRequestedOutputTensor": f"name string 1, {PARAMETERS} 2",
    "ModelInferRequest": (
        f"model_name string 1, model_version string 2, id string 3, {PARAMETERS} 4, inputs [InferInputTensor] 5, "
        "outputs [InferRequestedOutputTensor] 6, raw_input_contents [bytes] 7"
    ),
    "InferOutputTensor": f"name string 1, datatype string 2, shape [int64] 3, {PARAMETERS} 4, contents InferTensorContents 5",
    "ModelInferResponse": (
        f"model_name string 1, model_version string 2, id string 3, {PARAMETERS} 4, outputs [InferOutputTensor] 5, "
        "raw_output_contents [bytes] 6"
    ),
}
"""Nested messages of the specification stand beside the others: on the wire a message's name does not appear."""

HEALTH = {"HealthCheckRequest": "service string 1", "HealthCheckResponse": "status int32 1"}
"""`status` is an enum in the specification, which is the same on the wire: 1 is SERVING, 2 is NOT_SERVING."""

SERVICE = "inference.GRPCInferenceService"
METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
HEALTH_SERVICE = "grpc.health.v1.Health"


@cache
def messages() -> dict[str, Any]:
    """The message classes by name."""
    return _classes("modelyard.inference", INFERENCE) | _classes("modelyard.health", HEALTH)


def _classes(package: str, table: dict[str, str]) -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for text in filter(None, fields.split(", ")):
            _field(message, package, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in table}


def _field(message: Any, package: str, text: str) -> None:
    """Add one field of the table to a message's descriptor."""
    choice = text.startswith("oneof ")
    name, kind, number = text.removeprefix("oneof ").split(" ")
    field = message.field.add(name=name, number=int(number), label=1)
    if choice:
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind.startswith("{"):
        _map_entry(message, package, name, kind[1:-1])
        field.label, field.type = 3, 11
        field.type_name = f".{package}.{message.name}.{name.capitalize()}Entry"
        return
    if kind.startswith("["):
        field.label, kind = 3, kind[1:-1]
    _typed(field, package, kind)


def _map_entry(message: Any, package: str, name: str, kind: str) -> None:
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _typed(entry.field.add(name="key", number=1, label=1), package, "string")
    _typed(entry.field.add(name="value", number=2, label=1), package, kind)


_SCALARS = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}
"""`FieldDescriptorProto.Type` of descriptor.proto."""


def _typed(field: Any, package: str, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = 11, f".{package}.{kind}"
