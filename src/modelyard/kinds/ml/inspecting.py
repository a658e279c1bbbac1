"""From a file or folder to an `Inspection`: which format it is, decided by content and never by name, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import archive, reading
from modelyard.kinds.contract import Inspection, Policy, Risk, Severity
from modelyard.kinds.ml import lightgbm_file, mlflow_folder, onnx_file, pickle_scan, skops_file, trusted, xgboost_file
from modelyard.kinds.registry import UnknownFormat
from modelyard.kinds.signature import DataType, FieldSpec, Signature

FORMATS = ("onnx", "skops", "joblib", "pickle", "xgboost-json", "xgboost-ubj", "lightgbm-text", "mlflow")
PICKLES = frozenset({"joblib", "pickle"})
_TAR_MAGIC = slice(257, 262)


def inspect(artifact: Path, policy: Policy) -> Inspection:
    """What can be said of an artifact without running it. Raises InvalidArtifact, UnknownFormat or TooLarge."""
    try:
        found = _inspect(artifact, policy)
        found.model_dump_json()
    except (ValidationError, PydanticSerializationError) as error:
        raise InvalidArtifact(f"what the model says of itself cannot be recorded: {_first(error)}", field="artifact") from error
    return found


def _first(error: Exception) -> str:
    """The first complaint of several."""
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)


def _inspect(artifact: Path, policy: Policy) -> Inspection:
    if artifact.is_dir():
        if not (artifact / "MLmodel").is_file():
            raise UnknownFormat("a folder without an MLmodel file is no model", field="artifact")
        return _mlflow(artifact, policy)
    reading.size_of(artifact, policy)
    return _by_content(artifact, reading.head(artifact), policy)


def _by_content(artifact: Path, start: bytes, policy: Policy) -> Inspection:
    if start.startswith(b"PK"):
        return _zip(artifact, policy)
    if _is_tar(artifact, start, policy):
        return _mlflow(artifact, policy)
    if start.startswith(b"\x80") or reading.compression(start):
        return _pickle(artifact, policy)
    if start.startswith((b"tree\n", b"tree\r\n")):
        return _lightgbm(artifact, policy)
    if start.lstrip().startswith(b"{"):
        return _xgboost(artifact, start, policy)
    return _onnx(artifact, start, policy)


def _zip(artifact: Path, policy: Policy) -> Inspection:
    names = archive.zip_names(artifact, policy)
    if "schema.json" in names:
        return _skops(artifact, policy)
    if any(name.rpartition("/")[2] == "MLmodel" for name in names):
        return _mlflow(artifact, policy)
    raise UnknownFormat("a zip archive that is neither a skops file nor an MLflow model", field="artifact")


def _is_tar(artifact: Path, start: bytes, policy: Policy) -> bool:
    kind = reading.compression(start)
    if kind not in {"gzip", "bz2", "xz"}:
        return start[_TAR_MAGIC] == b"ustar"
    return reading.first_decompressed(artifact, kind)[_TAR_MAGIC] == b"ustar"


def _onnx(artifact: Path, start: bytes, policy: Policy) -> Inspection:
    try:
        face = onnx_file.read_face(artifact, policy)
    except InvalidArtifact as error:
        if start[:1] == b"\x08":
            raise
        raise UnknownFormat("the file is of no known model format", field="artifact") from error
    return Inspection(
        kind="ml",
        format="onnx",
        signature=_onnx_signature(face),
        risks=face.risks(),
        requirements=("onnxruntime",),
        facts={
            "producer": face.producer,
            "opsets": {domain or "ai.onnx": version for domain, version in face.opsets.items()},
            "operators": sorted(face.operators),
            "metadata": face.metadata,
            "outputs": [tensor.name for tensor in face.outputs],
        },
    )


def _onnx_signature(face: onnx_file.Face) -> Signature | None:
    if any(tensor.type is None or None in tensor.shape[1:] for tensor in face.inputs):
        return None
    return Signature(inputs=tuple(_onnx_input(tensor) for tensor in face.inputs), outputs=())


def _onnx_input(tensor: onnx_file.Tensor) -> FieldSpec:
    shape = tuple(size for size in tensor.shape[1:] if size is not None)
    kind = tensor.type or DataType.FP32
    return FieldSpec(name=tensor.name, type=kind, shape=() if shape == (1,) else shape)


def _xgboost(artifact: Path, start: bytes, policy: Policy) -> Inspection:
    face = xgboost_file.read_face(artifact, policy)
    names = face.features or tuple(f"f{i}" for i in range(face.feature_count))
    fields = tuple(FieldSpec(name=name, type=DataType.FP32, nullable=True) for name in names)
    return Inspection(
        kind="ml",
        format="xgboost-ubj" if xgboost_file.is_ubj(start) else "xgboost-json",
        signature=Signature(inputs=fields, outputs=()),
        risks=_categorical(face),
        requirements=("xgboost",),
        facts={
            "objective": face.objective,
            "classes": face.class_count,
            "booster": face.booster,
            "trees": face.trees,
            "version": face.version,
            "named": bool(face.features),
        },
    )


def _categorical(face: xgboost_file.Face) -> tuple[Risk, ...]:
    if not face.categorical:
        return ()
    detail = f"{len(face.categorical)} categorical features are taken as their numeric codes"
    return (Risk(code="categorical_codes", severity=Severity.WARNING, detail=detail),)


def _lightgbm(artifact: Path, policy: Policy) -> Inspection:
    face = lightgbm_file.read_face(artifact, policy)
    fields = []
    for index, name in enumerate(face.features):
        low, high = face.range_of(index) or (None, None)
        fields.append(FieldSpec(name=name, type=DataType.FP64, nullable=True, minimum=low, maximum=high))
    facts = {"objective": face.objective, "classes": face.class_count, "trees": face.trees, "version": face.version}
    return Inspection(
        kind="ml",
        format="lightgbm-text",
        signature=Signature(inputs=tuple(fields), outputs=()),
        requirements=("lightgbm",),
        facts=facts,
    )


def _skops(artifact: Path, policy: Policy) -> Inspection:
    face = skops_file.read_face(artifact, policy)
    risks: tuple[Risk, ...] = ()
    if face.untrusted:
        detail = f"would make types that are not trusted: {', '.join(face.untrusted)}"
        risks = (Risk(code="untrusted_types", severity=Severity.DANGER, detail=detail),)
    facts = {"types": list(face.types), "untrusted": list(face.untrusted), "estimator": face.estimator}
    return Inspection(kind="ml", format="skops", risks=risks, requirements=("skops", "scikit-learn"), facts=facts)


def _pickle(artifact: Path, policy: Policy) -> Inspection:
    data, compression = pickle_bytes(artifact, policy)
    scan = pickle_scan.scan(data)
    refused = [str(i) for i in scan.imports if not trusted.allowed(i.module, i.name, policy.trusted_types)]
    if refused:
        raise InvalidArtifact(
            f"the pickle imports {', '.join(sorted(refused))}, which no model needs or nobody trusts",
            field="artifact",
            hint="save the model as ONNX or skops, or add the type to the policy's trusted types",
        )
    joblib = scan.wrapped or compression is not None
    roots = {i.module.partition(".")[0] for i in scan.imports}
    return Inspection(
        kind="ml",
        format="joblib" if joblib else "pickle",
        executes_code=True,
        risks=(_pickle_risk(policy),),
        requirements=_pickle_requirements(roots, joblib=joblib),
        facts={"imports": sorted(map(str, scan.imports)), "compression": compression, "protocol": scan.protocol},
    )


def pickle_bytes(artifact: Path, policy: Policy) -> tuple[bytes, str | None]:
    """The pickle stream behind its compression, and the compression's name."""
    data = reading.read(artifact, policy)
    compression = reading.compression(data[:16])
    if compression is not None:
        data = reading.decompressed(data, compression, policy.max_unpacked_bytes)
    return data, compression


def _pickle_risk(policy: Policy) -> Risk:
    severity = Severity.WARNING if policy.allow_pickle else Severity.DANGER
    return Risk(code="executes_code", severity=severity, detail="loading a pickle runs code of its author")


def _pickle_requirements(roots: set[str], *, joblib: bool) -> tuple[str, ...]:
    names = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm", "numpy": "numpy", "scipy": "scipy"}
    found = [names[root] for root in sorted(roots) if root in names]
    return tuple([*found, "joblib"] if joblib else found)


def _mlflow(artifact: Path, policy: Policy) -> Inspection:
    with mlflow_folder.folder(artifact, policy) as root:
        face = mlflow_folder.read_face(root, policy)
        inner = _by_content(face.inner, reading.head(face.inner), policy)
        if inner.format == "mlflow":
            raise InvalidArtifact("an MLflow model inside an MLflow model", field="artifact")
        facts: dict[str, Any] = {
            "flavor": face.flavor,
            "flavors": list(face.flavors),
            "inner_format": inner.format,
            "inner_path": str(face.inner.relative_to(root)),
            "inner": dict(inner.facts),
            "mlflow_version": face.mlflow_version,
        }
    return inner.model_copy(
        update={
            "format": "mlflow",
            "signature": face.signature or inner.signature,
            "requirements": face.requirements or inner.requirements,
            "facts": facts,
        }
    )
