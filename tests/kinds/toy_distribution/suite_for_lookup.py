"""Run by a test in a process of its own, with the toy installed: it is discovered, and passes the compliance suite."""

import json
import tempfile
from pathlib import Path

import numpy as np

from modelyard.kinds import registry
from modelyard.kinds.compliance import Good, KindCompliance
from modelyard.kinds.contract import Policy

FOLDER = Path(tempfile.mkdtemp())
TABLE = FOLDER / "table.json"
TABLE.write_text(json.dumps({"format": "lookup/1", "field": "country", "table": {"NZ": 0.2, "DE": 0.3}, "default": 0.1}))
BROKEN = FOLDER / "broken.json"
BROKEN.write_text('{"format": "lookup/1"}')


def test_it_is_discovered_beside_the_others():
    assert {"lookup", "ml"} <= set(registry.names())
    assert registry.detect(TABLE, Policy()).kind == "lookup"


class TestLookup(KindCompliance):
    kind = registry.kind("lookup")

    def good(self):
        sample = {"country": np.array(["NZ", "DE", "XX"], dtype=object)}
        return [Good(TABLE, sample, self.kind.inspect(TABLE, Policy()).signature, {"prediction": np.array([0.2, 0.3, 0.1])})]

    def corrupt(self):
        return [BROKEN]
