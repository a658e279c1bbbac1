"""LitServe's server.

python -m benchmarks.against.servers.lit PORT
"""

import sys
from typing import Any

import litserve

from benchmarks.against.servers.answering import Answering


class Api(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.model = Answering()

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # an annotation would be taken for a form's
        return request

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.model.answer(request)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning")
