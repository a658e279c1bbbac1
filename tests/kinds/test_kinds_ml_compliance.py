"""The kind `ml` passes the suite that every kind has to pass, over every format it reads."""

import pytest

from modelyard.kinds import registry
from modelyard.kinds.compliance import KindCompliance


class TestMl(KindCompliance):
    kind = registry.kind("ml")

    @pytest.fixture(autouse=True)
    def _artifacts(self, artifacts, tmp_path):
        self.artifacts = artifacts
        self.folder = tmp_path

    def good(self):
        return list(self.artifacts.values())

    def corrupt(self):
        contents = {
            "text": b"hello, I am no model at all\n" * 10,
            "zeros": bytes(1000),
            "half.json": b'{"learner": {',
            "other.json": b'{"a": 1}',
            "head.txt": b"tree\nversion=v4\n",
            "pickle": b"\x80\x04",
            "zip": b"PK\x03\x04 not really",
            "gzip": b"\x1f\x8b\x08 not really",
            "zlib": b"\x78\x9c not really",
            "onnx": b"\x08\x07\x12\xff",
        }
        for name, data in contents.items():
            (self.folder / name).write_bytes(data)
        return [self.folder / name for name in contents]


def test_every_format_is_covered(artifacts):
    kind = registry.kind("ml")
    found = {kind.inspect(good.path, good.policy).format for good in artifacts.values()}
    assert found == set(kind.formats)
