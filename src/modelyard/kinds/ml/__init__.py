"""Machine learning: ONNX, scikit-learn, XGBoost, LightGBM and MLflow model folders. `kind` is the entry point's object."""

from modelyard.kinds.ml.kind import MlKind

kind = MlKind()

__all__ = ["MlKind", "kind"]
