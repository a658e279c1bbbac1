"""What a request may not do: be endless, be unkeepable, or go beyond what its token is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from api_yard import Server

from modelyard.governance.bootstrap import RUNTIME_SCOPES
from modelyard.governance.identity.secrets import mint

JSON = {"content-type": "application/json"}
ABSENT = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def runtime(server: Server) -> str:
    """A token such as a runtime has."""
    made = server.ask("POST", "/identities", json={"name": "runtime-x", "kind": "service", "display_name": "X"}).json()
    server.ask("POST", f"/identities/{made['id']}/roles", json={"role": "operator"}).raise_for_status()
    minted = mint()
    body = {
        "name": "t",
        "key": minted.key,
        "secret_digest": minted.digest,
        "scopes": list(RUNTIME_SCOPES),
        "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }
    server.ask("POST", f"/identities/{made['id']}/tokens", json=body).raise_for_status()
    return minted.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/blobs", None),
        ("/versions", {"model": "m", "artifact": ABSENT, "filename": "m.onnx"}),
        ("/outcomes", {"source": "x", "outcomes": [{"decision": "d", "values": {"y": 1}}]}),
        ("/use-cases", {"name": "by-a-runtime"}),
        ("/routes", {}),
    ],
)
def test_a_runtimes_token_reads_and_reports_and_nothing_else(server: Server, runtime: str, path: str, body: Any) -> None:
    assert server.ask("GET", "/runtime/routes", token=runtime).status_code in (200, 304)
    assert server.ask("POST", "/runtime/refusals", token=runtime, json=[]).status_code == 200
    how = {"content": b"x"} if body is None else {"json": body}
    answer = server.ask("POST", path, token=runtime, **how)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_body_that_does_not_end_is_refused_before_anybody_is_known(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(70):
            yield b" " * (1 << 20)

    answer = httpx.post(f"{server.url}/api/v1/use-cases", content=endless(), headers=JSON, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("measured", ["NaN", "1e999", '"NaN"'])
def test_a_measure_that_is_no_number_is_refused(server: Server, measured: str) -> None:
    body = '{"type": "scan", "metrics": {"dangers": MEASURED}}'.replace("MEASURED", measured)
    answer = server.ask("POST", "/versions/none@1/evidence", content=body.encode(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("value", ['"\\ud800"', "[" * 300 + "]" * 300, "[" * 900 + "]" * 900])
def test_what_cannot_be_kept_is_refused(server: Server, value: str) -> None:
    body = '{"name": "e", "use_case": "none", "constant": {"y": VALUE}}'.replace("VALUE", value)
    answer = server.ask("POST", "/endpoints", content=body.encode(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
