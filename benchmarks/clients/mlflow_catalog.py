"""The catalog's work done with MLflow's own client; runs in MLflow's environment.

registry    create_model_version with tags and description: the registry alone. Metrics and parameters are not kept.
tracked     a run with parameters, metrics and tags (one log_batch), ended, then create_model_version of it: what
            MLflow's own `log_model(registered_model_name=…)` does, without uploading files.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from benchmarks.peers import serve
from benchmarks.versions import MODELS, model_name, version


class Orders:
    def __init__(self, url: str) -> None:
        self._client = MlflowClient(url, url)
        self._experiment = self._client.create_experiment("benchmark")
        run = self._client.create_run(self._experiment)
        self._run, self._source = run.info.run_id, f"{run.info.artifact_uri}/model"

    def models(self) -> int:
        for number in range(MODELS):
            self._client.create_registered_model(model_name(number))
        return MODELS

    def registry(self, first: int, count: int) -> int:
        for number in range(first, first + count):
            v = version(number)
            self._client.create_model_version(
                v["model"], self._source, self._run, tags=v["tags"], description=v["notes"], await_creation_for=0
            )
        return count

    def tracked(self, first: int, count: int) -> int:
        for number in range(first, first + count):
            v = version(number)
            run = self._client.create_run(self._experiment)
            run_id, now = run.info.run_id, int(time.time() * 1000)
            self._client.log_batch(
                run_id,
                metrics=[Metric(name, value, now, 0) for name, value in v["metrics"].items()],
                params=[Param(name, str(value)) for name, value in v["parameters"].items()],
                tags=[RunTag(name, value) for name, value in v["tags"].items()],
            )
            self._client.set_terminated(run_id)
            source = f"{run.info.artifact_uri}/model"
            self._client.create_model_version(
                v["model"], source, run_id, tags=v["tags"], description=v["notes"], await_creation_for=0
            )
        return count

    def fill(self, database: str, first: int, count: int) -> int:
        """As `registry`, but through MLflow's store without its server and without flushing: only to have that many."""
        from mlflow.entities.model_registry import ModelVersionTag
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        store = SqlAlchemyStore(database)
        for number in range(first, first + count):
            v = version(number)
            tags = [ModelVersionTag(key, value) for key, value in v["tags"].items()]
            store.create_model_version(v["model"], self._source, self._run, tags=tags, description=v["notes"])
        return count

    def search(self, kind: str, words: list[str], limit: int) -> list[int]:
        """One search for each word; how many were found by each."""
        filters = {
            "name": "name = '{}'",
            "text": "name LIKE '%{}%'",
            "tag": "tags.region = '{}'",
            "sorted": "name = '{}'",
        }
        order = ["last_updated_timestamp DESC"] if kind == "sorted" else None
        found: list[Any] = [
            self._client.search_model_versions(filters[kind].format(word), max_results=limit, order_by=order) for word in words
        ]
        return [len(page) for page in found]


if __name__ == "__main__":
    serve(Orders(sys.argv[1]))
