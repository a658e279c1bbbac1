"""Any format to ONNX, accepted only if it answers the sample as the original does."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidArtifact, ModelyardError, StorageFull, Unavailable
from modelyard.kinds import archive
from modelyard.kinds.batches import row_count
from modelyard.kinds.contract import Batch, Inspection, Policy, Translation
from modelyard.kinds.ml import inspecting, loading, mlflow_folder
from modelyard.kinds.ml.checking import difference
from modelyard.kinds.ml.columns import width
from modelyard.kinds.ml.predictor import MlPredictor
from modelyard.kinds.signature import DataType, FieldSpec, Signature

_FILE = "model.onnx"
_WHOLE = frozenset(
    {DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.UINT8, DataType.UINT16, DataType.BOOL}
)


def translate(
    artifact: Path, inspection: Inspection, signature: Signature, sample: Batch, into: Path, policy: Policy
) -> Translation | None:
    """The model as ONNX below `into`; None when it already is. Refused, with the reason, when it cannot be or strays.

    It strays when the greatest difference of a floating output, or the share of rows with another label, exceeds
    `policy.translation_tolerance`.
    """
    if "onnx" in {inspection.format, inspection.facts.get("inner_format")}:
        return None
    loading.refuse_danger(inspection)
    original = MlPredictor(loading.engine(artifact, signature, policy), signature)
    target = into / _FILE
    try:
        data = _converted(artifact, inspection, original, policy)
        _write(target, data)
        return _compared(original, target, sample, policy)
    except Unavailable:
        raise
    except ModelyardError as error:
        return _refused(target, f"the translation does not serve: {error.detail}")
    except ImportError as error:
        return _refused(target, f"translating needs {error.name or error}")
    except Exception as error:  # noqa: BLE001  converters raise what they like; the original serves, and this is why
        return _refused(target, f"the converter failed: {type(error).__name__}: {str(error)[:500]}")


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFull("there is no room for the translation") from error
        raise Unavailable(f"the translation cannot be written: {error.strerror}") from error


def _refused(target: Path, why: str, gap: float = 0.0, changed: int = 0, rows: int = 0) -> Translation:
    target.unlink(missing_ok=True)
    return Translation(path=target, format="onnx", largest_difference=gap, label_changes=changed, rows=rows, refused=why)


def _compared(original: MlPredictor, target: Path, sample: Batch, policy: Policy) -> Translation:
    translated = MlPredictor(loading.engine(target, original.signature, policy), original.signature)
    gap, changed = difference(original.predict(sample), translated.predict(sample))
    rows = row_count(sample)
    worst = max(gap, changed / rows)
    if not worst <= policy.translation_tolerance:
        why = f"it strays by {gap:.3g} and changes {changed} of {rows} labels, allowed is {policy.translation_tolerance:g}"
        return _refused(target, why, min(gap, 1.7e308), changed, rows)
    return Translation(path=target, format="onnx", largest_difference=gap, label_changes=changed, rows=rows)


def _converted(artifact: Path, inspection: Inspection, original: MlPredictor, policy: Policy) -> bytes:
    if inspection.format == "mlflow":
        with mlflow_folder.folder(artifact, policy) as root:
            inner = root / archive.safe_name(str(inspection.facts["inner_path"]))
            return _converted(inner, inspecting.inspect(inner, policy), original, policy)
    fields = original.engine.fields
    if inspection.format.startswith("xgboost"):
        return _boosted("convert_xgboost", loading.xgboost_booster(artifact), fields)
    if inspection.format == "lightgbm-text":
        return _boosted("convert_lightgbm", loading.lightgbm_booster(artifact), fields, zipmap=False)
    model = loading.native(artifact, inspection, policy)
    root_module = type(model).__module__.partition(".")[0]
    if root_module == "xgboost":
        return _boosted("convert_xgboost", model, fields)
    if root_module == "lightgbm":
        return _boosted("convert_lightgbm", model, fields, zipmap=False)
    return _scikit(model, fields)


def _boosted(converter: str, model: Any, fields: Sequence[FieldSpec], **options: Any) -> bytes:
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    if converter == "convert_xgboost":
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        booster.feature_names = None  # the converter insists on f0, f1, …
    found = getattr(onnxmltools, converter)(model, initial_types=[("input", FloatTensorType([None, width(fields)]))], **options)
    return _opened(found)


def _scikit(model: Any, fields: Sequence[FieldSpec]) -> bytes:
    """One input a column for models that know their columns' names, else one matrix.

    Columns keep their types at first; converters often cannot mix whole and floating numbers, so then all become floats.
    """
    from skl2onnx import convert_sklearn

    named = getattr(model, "feature_names_in_", None) is not None
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    attempts: list[Callable[[], list[Any]]] = [lambda: _types(fields, whole=True), lambda: _types(fields, whole=False)]
    if not named:
        attempts = [lambda: _matrix_type(fields)]
    for attempt in attempts[:-1]:
        try:
            return _opened(convert_sklearn(model, initial_types=attempt(), options=options))
        except Exception:  # noqa: BLE001, S112  the next attempt, whose failure is told, takes other types
            continue
    return _opened(convert_sklearn(model, initial_types=attempts[-1](), options=options))


def _types(fields: Sequence[FieldSpec], *, whole: bool) -> list[Any]:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    def of(field: FieldSpec) -> Any:
        shape = [None, width([field])]
        if field.type is DataType.BYTES:
            return StringTensorType(shape)
        return Int64TensorType(shape) if whole and field.type in _WHOLE else FloatTensorType(shape)

    return [(field.name, of(field)) for field in fields]


def _matrix_type(fields: Sequence[FieldSpec]) -> list[Any]:
    from skl2onnx.common.data_types import FloatTensorType

    if any(field.type is DataType.BYTES for field in fields):
        raise InvalidArtifact("a matrix with text cannot be translated", field="artifact")
    return [("input", FloatTensorType([None, width(fields)]))]


def _opened(model: Any) -> bytes:
    """The bytes, with every output's rows left open: some converters declare one row and then answer many. The graph gets a fixed
    name: converters give a random one, and the same model would be another version each time it is registered."""
    model.graph.name = "model"
    for output in model.graph.output:
        dimensions = output.type.tensor_type.shape.dim
        if output.type.HasField("tensor_type") and len(dimensions) and dimensions[0].HasField("dim_value"):
            dimensions[0].ClearField("dim_value")
    data: bytes = model.SerializeToString()
    return data
