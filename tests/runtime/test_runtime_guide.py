"""What docs/how-to/serve-fast-and-safe.md shows are policies, and nothing that policies can do is missing there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from modelyard.runtime.metrics import Metrics
from modelyard.trust.statements import EndpointPolicy

GUIDE = (Path(__file__).parents[2] / "docs/how-to/serve-fast-and-safe.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_every_block_is_a_policy_and_every_setting_has_one() -> None:
    shown = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    for policy in shown:
        assert EndpointPolicy.model_validate(policy) != EndpointPolicy()
    assert {name for policy in shown for name in policy} == set(EndpointPolicy.model_fields)


def test_the_python_runs() -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "python"]
    names: dict[str, object] = {}
    exec(compile(text, "serve-fast-and-safe.md", "exec"), names)
    cipher = names["cipher"]
    assert cipher.decrypt(cipher.encrypt(b"41")) == b"41"  # type: ignore[attr-defined]


def test_the_metrics_told_of_exist() -> None:
    told = set(re.findall(r"`(modelyard_\w+_total)`", GUIDE))
    exposed = Metrics().text({})
    assert told
    assert all(f"# TYPE {name} counter" in exposed for name in told)
