"""Whether what a caller sends decides how long an ONNX model works, told without running it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.kinds import registry
from modelyard.kinds.contract import UNBOUNDED_WORK, Policy, Severity
from modelyard.kinds.ml import onnx_work

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

INT64, FLOAT, BOOL = TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL


def scalar(name: str, value: int) -> Any:
    return helper.make_tensor(name, INT64, [1], [value])


def body() -> Any:
    """Adds one each time."""
    nodes = [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Add", ["sum", "one"], ["more"])]
    takes = [("turn", INT64, []), ("go", BOOL, []), ("sum", INT64, [1])]
    gives = [("goes", BOOL, []), ("more", INT64, [1])]
    told = [[helper.make_tensor_value_info(*one) for one in side] for side in (takes, gives)]
    return helper.make_graph(nodes, "body", *told, [scalar("one", 1)])


def branch(node: Any, gives: str) -> Any:
    return helper.make_graph([node], gives, [], [helper.make_tensor_value_info(gives, INT64, [1])])


def choosing() -> list[Any]:
    """The size of what is made is chosen by an If, in a graph of its own."""
    then = branch(helper.make_node("Mul", ["n", "n"], ["large"]), "large")
    other = branch(helper.make_node("Identity", ["n"], ["small"]), "small")
    return [
        helper.make_node("Greater", ["size", "size"], ["holds"]),
        helper.make_node("If", ["holds"], ["chosen"], then_branch=then, else_branch=other),
        helper.make_node("ConstantOfShape", ["chosen"], ["y"]),
    ]


def nodes(*made: tuple[str, list[str], list[str]]) -> Callable[[], list[Any]]:
    return lambda: [helper.make_node(*each) for each in made]


GRAPHS: dict[str, tuple[Callable[[], list[Any]], tuple[str, ...]]] = {
    "a loop as long as n": (lambda: [helper.make_node("Loop", ["n", "", "size"], ["y"], body=body())], ("Loop",)),
    "a range up to n": (nodes(("Range", ["zero", "n", "size"], ["y"])), ("Range",)),
    "n copies": (nodes(("Tile", ["n", "n"], ["y"])), ("Tile",)),
    "as large as twice n": (nodes(("Add", ["n", "n"], ["twice"]), ("Expand", ["size", "twice"], ["y"])), ("Expand",)),
    "as large as an If says": (choosing, ("ConstantOfShape",)),
    "as large as the request": (nodes(("Shape", ["n"], ["rows"]), ("Expand", ["zero", "rows"], ["y"])), ()),
    "as large as twice the request": (
        nodes(("Shape", ["n"], ["r"]), ("Mul", ["r", "size"], ["s"]), ("ConstantOfShape", ["s"], ["y"])),
        (),
    ),
    "as large as was known": (nodes(("Tile", ["n", "size"], ["y"])), ()),
    "no sizes at all": (nodes(("Add", ["n", "size"], ["y"])), ()),
}


def model(made: list[Any], functions: list[Any] | None = None) -> bytes:
    takes = [helper.make_tensor_value_info("n", INT64, [None])]
    gives = [helper.make_tensor_value_info("y", INT64, None)]
    graph = helper.make_graph(made, "g", takes, gives, [scalar("size", 2), scalar("zero", 0)])
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid("ai.onnx.ml", 3)] if functions else [])]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions or [])
    return bytes(proto.SerializeToString())


def risks(path: Path) -> list[tuple[Severity, str]]:
    found = registry.kind("ml").inspect(path, Policy())
    assert found.format == "onnx"
    return [(risk.severity, risk.detail) for risk in found.risks if risk.code == UNBOUNDED_WORK]


@pytest.mark.parametrize("name", GRAPHS)
def test_a_model_whose_work_the_values_decide_is_told(tmp_path: Path, name: str) -> None:
    made, operators = GRAPHS[name]
    (path := tmp_path / "model.onnx").write_bytes(model(made()))
    expected = f"may take as long, or as much memory, as the values of a request say ({', '.join(operators)})"
    assert risks(path) == ([(Severity.WARNING, expected)] if operators else [])


def test_all_operators_that_take_a_size_as_a_value_are_known() -> None:
    """As ONNX names such inputs. What a Reshape gives is as large as what it takes."""
    named = {"shape", "output_shape", "image_shape", "block_shape", "size", "sizes", "repeats", "pads", "depth", "limit"}
    named |= {"dft_length", "frame_length", "num_mel_bins", "scales"}
    found = {
        schema.name: {place for place, each in enumerate(schema.inputs) if each.name in named}
        for schema in onnx.defs.get_all_schemas()
        if schema.domain == ""
    }
    known = {name: set(places) for name, places in onnx_work._SIZED.items()}
    assert {name for name, places in found.items() if not places <= known.get(name, set())} == {"Reshape"}


def test_a_function_is_called_with_anything(tmp_path: Path) -> None:
    """Names in a function are its own: what is fixed outside is not in there."""
    inside = [helper.make_node("Tile", ["x", "size"], ["z"])]
    function = helper.make_function("ai.onnx.ml", "Copies", ["x", "size"], ["z"], inside, [helper.make_opsetid("", 17)])
    (path := tmp_path / "model.onnx").write_bytes(
        model([helper.make_node("Copies", ["n", "n"], ["y"], domain="ai.onnx.ml")], [function])
    )
    assert [severity for severity, _ in risks(path)] == [Severity.WARNING]


def test_models_that_learned_from_data_are_bounded(tmp_path: Path) -> None:
    """Those that users bring most: trees, neighbours (with a Scan), linear models, text."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    trees = RandomForestRegressor(3), GradientBoostingClassifier(n_estimators=3)
    learned = (make_pipeline(StandardScaler(), LogisticRegression()), *trees, KNeighborsClassifier())
    path = tmp_path / "model.onnx"
    for each in learned:
        proto = skl2onnx.convert_sklearn(each.fit(x, y), initial_types=[("x", FloatTensorType([None, 3]))])
        path.write_bytes(proto.SerializeToString())
        assert risks(path) == [], type(each).__name__
    texts = np.array([["late again"], ["on time"], ["late"]])
    vectors = TfidfVectorizer().fit(texts.ravel())
    proto = skl2onnx.convert_sklearn(vectors, initial_types=[("text", StringTensorType([None, 1]))])
    path.write_bytes(proto.SerializeToString())
    assert risks(path) == []
