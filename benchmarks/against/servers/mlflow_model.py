"""Save a model as MLflow's scikit-learn flavour does, with a tensor for input; runs in MLflow's environment.

python -m benchmarks.against.servers.mlflow_model KIND FOLDER
"""

from __future__ import annotations

import sys

import mlflow.sklearn
import numpy as np
from mlflow.models import infer_signature

from benchmarks.against.models import fitted
from benchmarks.model import rows

model, sample = fitted(sys.argv[1]), np.array(rows(20))
mlflow.sklearn.save_model(
    model,
    sys.argv[2],
    signature=infer_signature(sample, model.predict_proba(sample)),
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
)
