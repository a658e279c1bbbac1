"""Ray Serve's deployment.

python -m benchmarks.against.servers.rayserve PORT
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.against.servers.answering import Answering


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Model:
    def __init__(self) -> None:
        self.model = Answering()

    async def __call__(self, request: Request) -> dict[str, Any]:
        if request.method == "GET":
            return {"ready": True}
        return self.model.answer(await request.json())


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, runtime_env={"env_vars": {"BENCH_MODEL": os.environ["BENCH_MODEL"]}})
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Model.bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
