"""From an inspected artifact to an engine. Pickles are read by an unpickler that only finds what the scan has allowed."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidArtifact, ModelyardError, Untrusted
from modelyard.kinds import archive
from modelyard.kinds.contract import Inspection, Policy, Severity
from modelyard.kinds.ml import inspecting, lightgbm_file, mlflow_folder, pickle_scan, skops_file, trusted, xgboost_file
from modelyard.kinds.ml.engines import Engine, LightGBM, Sklearn, XGBoost
from modelyard.kinds.ml.onnx_engine import Onnx
from modelyard.kinds.signature import Signature


def engine(artifact: Path, signature: Signature, policy: Policy) -> Engine:
    """The artifact in memory, inspected anew so that what was judged is what is loaded.

    Raises InvalidArtifact when it cannot be loaded, Untrusted when policy forbids it.
    """
    inspection = inspecting.inspect(artifact, policy)
    refuse_danger(inspection)
    try:
        return _engine(artifact, inspection, signature, policy)
    except ModelyardError:
        raise
    except ImportError as error:
        raise InvalidArtifact(
            f"loading the model needs {error.name or error}", field="artifact", hint="install the extra `ml`"
        ) from error
    except Exception as error:  # engines raise what they like on a bad file
        raise InvalidArtifact(f"the model cannot be loaded: {type(error).__name__}: {error}", field="artifact") from error


def refuse_danger(inspection: Inspection) -> None:
    """Raises Untrusted when an inspection found anything of severity DANGER."""
    for risk in inspection.risks:
        if risk.severity is Severity.DANGER:
            raise Untrusted(
                f"policy forbids to load this artifact: it {risk.detail}" if risk.code != "executes_code" else risk.detail,
                field="artifact",
                hint="save the model as ONNX or skops, or change the policy",
            )


def _engine(artifact: Path, inspection: Inspection, signature: Signature, policy: Policy) -> Engine:
    if inspection.format == "onnx":
        return Onnx(artifact, signature, policy.shared_weights)
    if inspection.format.startswith("xgboost"):
        return XGBoost(xgboost_booster(artifact), signature, xgboost_file.read_face(artifact, policy).objective)
    if inspection.format == "lightgbm-text":
        return LightGBM(lightgbm_booster(artifact), signature, lightgbm_file.read_face(artifact, policy).objective)
    if inspection.format == "mlflow":
        with mlflow_folder.folder(artifact, policy) as root:
            inner = root / archive.safe_name(str(inspection.facts["inner_path"]))
            return engine(inner, signature, policy.model_copy(update={"shared_weights": None}))  # its name says nothing of it
    return _wrapped(native(artifact, inspection, policy), signature)


def native(artifact: Path, inspection: Inspection, policy: Policy) -> Any:
    """The Python object in a skops, joblib or pickle file."""
    if inspection.format == "skops":
        return _skops(artifact, policy)
    return _unpickle(artifact, policy)


def _wrapped(model: Any, signature: Signature) -> Engine:
    """The engine for a Python object: the wrappers of XGBoost and LightGBM are served by their boosters."""
    root = type(model).__module__.partition(".")[0]
    classes = getattr(model, "classes_", None)
    if root == "xgboost":
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        return XGBoost(booster, signature, _objective(booster), classes)
    if root == "lightgbm":
        booster = getattr(model, "booster_", model)
        objective = getattr(model, "objective_", None) or booster.params.get("objective", "")
        return LightGBM(booster, signature, str(objective), classes)
    return Sklearn(model, signature)


def _objective(booster: Any) -> str:
    import msgspec

    config = msgspec.json.decode(booster.save_config())
    return str(config["learner"]["objective"]["name"])


def xgboost_booster(artifact: Path) -> Any:
    """The booster in an XGBoost file."""
    import xgboost

    data = artifact.read_bytes()
    booster = xgboost.Booster()
    booster.load_model(bytearray(data))
    return booster


def lightgbm_booster(artifact: Path) -> Any:
    """The booster in a LightGBM text file."""
    import lightgbm

    return lightgbm.Booster(model_str=artifact.read_text())


def _skops(artifact: Path, policy: Policy) -> Any:
    import skops.io

    unknown = skops.io.get_untrusted_types(file=artifact)
    refused = [name for name in unknown if not skops_file.is_trusted(name, policy)]
    if refused:
        raise Untrusted(f"the skops file makes types that are not trusted: {', '.join(refused)}", field="artifact")
    return skops.io.load(artifact, trusted=unknown)


def _unpickle(artifact: Path, policy: Policy) -> Any:
    data, _ = inspecting.pickle_bytes(artifact, policy)
    scan = pickle_scan.scan(data)
    if not scan.wrapped:
        return _Restricted(BytesIO(data), policy).load()
    return _restricted_joblib(data, policy)


def _check(module: str, name: str, policy: Policy) -> None:
    if not trusted.allowed(module, name, policy.trusted_types):
        raise Untrusted(f"the pickle asks for {module}.{name}, which is not allowed", field="artifact")


def _check_origin(found: Any, module: str, policy: Policy) -> None:
    """A name may be re-exported by an honest module: what it really is must be allowed too."""
    origin, name = getattr(found, "__module__", None), getattr(found, "__name__", None)
    if isinstance(origin, str) and isinstance(name, str) and trusted.never(origin, name):
        raise Untrusted(f"{module}.{name} is really {origin}.{name}, which is not allowed", field="artifact")


class _Restricted(pickle.Unpickler):
    def __init__(self, stream: BytesIO, policy: Policy) -> None:
        super().__init__(stream)
        self._policy = policy

    def find_class(self, module: str, name: str) -> Any:
        _check(module, name, self._policy)
        found = super().find_class(module, name)
        _check_origin(found, module, self._policy)
        return found


def _restricted_joblib(data: bytes, policy: Policy) -> Any:
    from joblib.numpy_pickle import NumpyUnpickler

    class Restricted(NumpyUnpickler):  # type: ignore[misc]  # joblib ships no types
        def find_class(self, module: str, name: str) -> Any:
            _check(module, name, policy)
            found = super().find_class(module, name)
            _check_origin(found, module, policy)
            return found

    return Restricted("", BytesIO(data), ensure_native_byte_order=True).load()
