"""Save the model as MLflow's scikit-learn flavour does; runs in MLflow's environment.

python -m benchmarks.clients.mlflow_model FOLDER
"""

from __future__ import annotations

import sys

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature

from benchmarks.model import FIELDS, rows, train

sample = pd.DataFrame(rows(20), columns=list(FIELDS))
model = train()
signature = infer_signature(sample, model.predict_proba(sample))
mlflow.sklearn.save_model(
    model, sys.argv[1], signature=signature, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
)
