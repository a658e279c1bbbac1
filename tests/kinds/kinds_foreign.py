"""Small models in a file of Python, and environments for them: empty ones, which need no registry."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.kinds.contract import Policy
from modelyard.kinds.environments import Environments
from modelyard.kinds.environments.interpreters import ask
from modelyard.kinds.sandbox import SERVING, ForeignPredictor, Limits
from modelyard.kinds.signature import DataType, FieldSpec, Signature

CODE = Policy(allow_code=True, allow_pickle=True)
SIGNATURE = Signature(
    inputs=(FieldSpec(name="a", type=DataType.FP64),),
    outputs=(FieldSpec(name="prediction", type=DataType.FP64),),
)
NOTHING = b"# an environment of the standard library alone\n"
DOUBLING = """
def load(path):
    return 2.0

def predict(model, batch):
    return {"prediction": [value * model for value in batch["a"]]}
"""


def rows(*values: float) -> dict[str, np.ndarray[Any, Any]]:
    return {"a": np.array(values)}


def foreign(environments: Environments, artifact: Path, **more: Any) -> ForeignPredictor:
    """A predictor for a file of Python, with tight limits unless others are given."""
    settings: dict[str, Any] = {"format_": "python", "policy": CODE, "limits": limits()} | more
    signature = settings.pop("signature", SIGNATURE)
    return ForeignPredictor(artifact, signature, environments, settings.pop("lock", NOTHING), **settings)


def limits(**more: Any) -> Limits:
    return SERVING.model_copy(update={"wall_seconds": 20.0, "memory_bytes": 1 << 30, **more})


def pythons() -> dict[str, Path]:
    """The interpreters of this machine that the shim supports, by short version; our own among them."""
    found = {".".join(sys.version.split(".")[:2]): Path(sys.executable)}
    for folder in (*Path.home().glob(".pyenv/versions/3.*/bin"), *map(Path, os.environ.get("PATH", "").split(os.pathsep))):
        for minor in range(9, 14):
            program = folder / f"python3.{minor}"
            if os.access(program, os.X_OK) and f"3.{minor}" not in found and ask(program) is not None:
                found[f"3.{minor}"] = program
    return found


def wheel(folder: Path, name: str, version: str, source: str) -> str:
    """A wheel of one module, and the line of a lock for it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},sha256={_hash(text)},{len(text)}\n" for file, text in files.items()) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as bundle:
        for file, text in (files | {f"{info}/RECORD": record}).items():
            bundle.writestr(file, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
