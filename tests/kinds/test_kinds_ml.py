"""What `ml` promises beyond the suite: outputs as declared, explanations that add up, translations that are judged."""

import re

import numpy as np
import pytest
from kinds_models import PICKLES, matrix_of, signature_for, table_of

from modelyard.core.errors import InvalidArtifact, InvalidInput
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

ML = registry.kind("ml")


def _load(good, signature=None):
    return ML.load(good.path, ML.inspect(good.path, good.policy), signature or good.signature, good.policy)


def _with(good, *outputs):
    return Signature(inputs=good.signature.inputs, outputs=outputs)


def test_outputs_are_named_shaped_and_typed_as_declared(artifacts):
    good = artifacts["pipeline.skops"]
    hold = FieldSpec(name="hold", type=DataType.BYTES, role=Role.LABEL)
    risk = FieldSpec(name="risk", type=DataType.FP64, role=Role.SCORE)
    both = FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE, shape=(2,))
    answers = _load(good, _with(good, risk, hold, both)).predict(good.sample)
    assert list(answers) == ["risk", "hold", "probability"]
    assert answers["risk"].dtype == np.float64
    np.testing.assert_allclose(answers["risk"], good.expected["probability"], atol=1e-6)
    np.testing.assert_allclose(answers["probability"].sum(axis=1), 1, atol=1e-6)


def test_the_positive_class_may_be_the_first(artifacts):
    good = artifacts["pipeline.skops"]
    score = FieldSpec(name="risk", type=DataType.FP32, role=Role.SCORE, positive="late")
    answers = _load(good, _with(good, score)).predict(good.sample)
    np.testing.assert_allclose(answers["risk"], 1 - good.expected["probability"], atol=1e-6)


def test_numbered_classes_take_the_names_that_are_declared(artifacts):
    good = artifacts["xgb-three.ubj"]
    label = FieldSpec(name="class", type=DataType.BYTES, role=Role.LABEL, allowed=("early", "on time", "late"))
    answers = _load(good, _with(good, label)).predict(good.sample)
    assert answers["class"].tolist() == [label.allowed[i] for i in good.expected["label"]]


@pytest.mark.parametrize(
    "output",
    [
        FieldSpec(name="label", type=DataType.FP32, role=Role.LABEL),
        FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE, shape=(5,)),
        FieldSpec(name="risk", type=DataType.FP32, role=Role.SCORE, positive="unheard of"),
    ],
)
def test_outputs_that_the_model_cannot_give_are_refused_when_loading(artifacts, output):
    good = artifacts["pipeline.skops"]
    with pytest.raises(InvalidInput, match="cannot come from this model") as caught:
        _load(good, _with(good, output))
    assert caught.value.field == f"signature.outputs.{output.name}"


@pytest.mark.parametrize("name", ["pipeline.skops", "pipeline.onnx"])
def test_a_signature_that_lacks_what_the_model_takes_is_refused(artifacts, name):
    good = artifacts[name]
    fields = tuple(f for f in good.signature.inputs if f.name != "wind")
    with pytest.raises(InvalidInput, match="wind"):
        _load(good, Signature(inputs=fields, outputs=()))


def test_a_signature_of_another_width_is_refused(artifacts):
    with pytest.raises(InvalidInput, match="takes 2 columns"):
        _load(artifacts["xgb.json"], signature_for({"a": np.zeros(3), "b": np.zeros(3), "c": np.zeros(3)}))


def test_identifiers_may_come_along_or_stay_away(artifacts):
    good = artifacts["xgb.json"]
    key = FieldSpec(name="flight_id", type=DataType.INT64, role=Role.IDENTIFIER)
    predictor = _load(good, Signature(inputs=(key, *good.signature.inputs), outputs=()))
    keys = {"flight_id": np.arange(len(good.sample["wind"]))}
    np.testing.assert_array_equal(predictor.predict(keys | good.sample)["label"], predictor.predict(good.sample)["label"])


def test_onnx_takes_one_vector_field_as_its_matrix(artifacts, trained):
    good = artifacts["forest.onnx"]
    signature = ML.inspect(good.path, Policy()).signature
    assert [(f.name, f.shape) for f in signature.inputs] == [("X", (2,))]
    answers = _load(good, signature).predict({"X": matrix_of(trained.sample)})
    np.testing.assert_allclose(answers["probability"], good.expected["probability"], atol=1e-6)


def test_types_are_cast_only_where_nothing_is_lost(artifacts):
    good = artifacts["xgb.json"]
    predictor = _load(good)
    plain = {name: column.tolist() for name, column in good.sample.items()}
    lists = {name: np.array(values, dtype=object) for name, values in plain.items()}
    np.testing.assert_array_equal(predictor.predict(lists)["label"], good.expected["label"])
    with pytest.raises(InvalidInput, match="too large") as caught:
        predictor.predict(good.sample | {"wind": np.full(len(good.sample["wind"]), 1e300)})
    assert caught.value.field == "wind"


@pytest.mark.parametrize("name", ["xgb.json", "lgb.txt", "pipeline.skops", "pipeline.onnx", "boosting.pkl", "xgb-minutes.json"])
def test_attributions_add_up_to_the_answer(artifacts, name):
    """In the unit of the score: log odds for probabilities, the prediction itself otherwise."""
    good = artifacts[name]
    predictor = _load(good)
    few = {field: column[:4] for field, column in good.sample.items()}
    answers = predictor.predict(few)
    for row, explanation in enumerate(predictor.explain(few, good.sample)):
        total = sum(a.contribution for a in explanation.attributions)
        score, usual = (float(number) for number in re.findall(r"(?:score is|where) ([-+.e\d]+\d)", explanation.text)[:2])
        assert total == pytest.approx(score - usual, abs=0.02 * max(1, abs(score), abs(usual)))
        if "probability" in answers:
            odds = np.log(answers["probability"][row] / (1 - answers["probability"][row]))
            assert score == pytest.approx(odds, rel=0.02, abs=0.02)
        else:
            assert score == pytest.approx(answers["prediction"][row], rel=0.02, abs=0.02)


def test_linear_attributions_are_the_coefficients(artifacts, trained):
    good = artifacts["pipeline.skops"]
    explanation = _load(good).explain({k: v[:1] for k, v in good.sample.items()}, {k: v[:40] for k, v in good.sample.items()})[0]
    assert explanation.method == "linear (exact)"
    transformed = trained.pipeline[0].transform(table_of({k: v[:40] for k, v in good.sample.items()}))
    shares = trained.pipeline[-1].coef_[0] * (transformed[0] - transformed.mean(axis=0))
    found = {a.field: a.contribution for a in explanation.attributions}
    assert found["distance"] == pytest.approx(shares[0])
    assert found["wind"] == pytest.approx(shares[1])
    assert found["origin"] == pytest.approx(shares[2:].sum())


def test_sampling_is_exact_for_a_logistic_model_and_repeats_itself(artifacts):
    one = {k: v[:1] for k, v in artifacts["pipeline.onnx"].sample.items()}
    usual = {k: v[1:2] for k, v in artifacts["pipeline.onnx"].sample.items()}
    sampled = _load(artifacts["pipeline.onnx"])
    exact = {a.field: a.contribution for a in _load(artifacts["pipeline.skops"]).explain(one, usual)[0].attributions}
    found = {a.field: a.contribution for a in sampled.explain(one, usual)[0].attributions}
    assert found == pytest.approx(exact, abs=1e-3)
    assert sampled.explain(one, usual) == sampled.explain(one, usual)


def test_explaining_one_row_with_nothing_to_compare_is_refused(artifacts):
    good = artifacts["pipeline.onnx"]
    with pytest.raises(InvalidInput, match="rows to compare it with"):
        _load(good).explain({k: v[:1] for k, v in good.sample.items()})


def test_checks_find_a_model_that_looks_at_its_neighbours(artifacts):
    class Neighbourly:
        signature = _load(artifacts["boosting.pkl"]).signature
        calls = 0

        def predict(self, batch):
            self.calls += 1
            return {"prediction": batch["wind"] - batch["wind"].mean() + self.calls}

    found = {check.name: check.passed for check in ML.checks(Neighbourly(), artifacts["boosting.pkl"].sample)}
    assert found["deterministic"] is False
    assert found["rows are independent"] is False
    assert found["nulls are handled"] is False


def test_a_translation_that_strays_is_refused_with_its_measure(artifacts, tmp_path):
    good = artifacts["pipeline.skops"]
    strict = Policy(translation_tolerance=0.0)
    inspection = ML.inspect(good.path, strict)
    found = ML.translate(good.path, inspection, good.signature, good.sample, tmp_path, strict)
    assert found.refused.startswith("it strays by")
    assert 0 < found.largest_difference < 1e-4
    assert found.rows == len(good.sample["wind"])
    assert list(tmp_path.iterdir()) == []


def test_what_the_converter_cannot_do_is_a_refusal_with_a_reason(tmp_path, trained):
    import pickle

    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import LinearRegression

    x = matrix_of(trained.sample)
    model = TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1, check_inverse=False)
    (path := tmp_path / "model.pkl").write_bytes(pickle.dumps(model.fit(x, np.abs(trained.minutes))))
    sample = {"distance": x[:, 0], "wind": x[:, 1]}
    (into := tmp_path / "into").mkdir()
    found = ML.translate(path, ML.inspect(path, PICKLES), signature_for(sample), sample, into, PICKLES)
    assert found.refused.startswith("the converter failed")
    assert list(into.iterdir()) == []


def test_onnx_needs_no_translation(artifacts, tmp_path):
    good = artifacts["pipeline.onnx"]
    assert ML.translate(good.path, ML.inspect(good.path, Policy()), good.signature, good.sample, tmp_path, Policy()) is None


def test_whole_and_floating_columns_translate_together(tmp_path):
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(1)
    sample = {"a": random.normal(size=80), "hour": random.integers(0, 24, 80), "c": random.choice(["x", "y"], 80).astype(object)}
    steps = ColumnTransformer([("n", StandardScaler(), ["a", "hour"]), ("c", OneHotEncoder(), ["c"])])
    model = make_pipeline(steps, LogisticRegression()).fit(table_of(sample), sample["hour"] > 11)
    skops.io.dump(model, path := tmp_path / "model.skops")
    signature = signature_for(sample)
    found = ML.translate(path, ML.inspect(path, Policy()), signature, sample, tmp_path, Policy())
    assert not found.refused
    predictor = ML.load(found.path, ML.inspect(found.path, Policy()), signature, Policy())
    label = FieldSpec(name="label", type=DataType.BOOL, role=Role.LABEL)
    assert predictor.predict(sample)["label"].astype(bool).tolist() == model.predict(table_of(sample)).tolist()
    again = ML.load(found.path, ML.inspect(found.path, Policy()), Signature(inputs=signature.inputs, outputs=(label,)), Policy())
    assert again.predict(sample)["label"].dtype == bool


def test_mlflow_takes_the_safest_flavour(tmp_path, artifacts):
    for name in ("pipeline.onnx", "pipeline.skops"):
        (tmp_path / name).write_bytes(artifacts[name].path.read_bytes())
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: pipeline.skops}, onnx: {data: pipeline.onnx}}")
    found = ML.inspect(tmp_path, Policy())
    assert (found.format, found.facts["flavor"], found.facts["inner_format"]) == ("mlflow", "onnx", "onnx")
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: pipeline.skops}}")
    assert ML.inspect(tmp_path, Policy()).facts["inner_format"] == "skops"


def test_what_does_not_predict_is_no_model(tmp_path):
    import pickle

    from sklearn.preprocessing import StandardScaler

    (path := tmp_path / "scaler.pkl").write_bytes(pickle.dumps(StandardScaler().fit(np.zeros((3, 2)))))
    with pytest.raises(InvalidArtifact, match="does not predict"):
        ML.load(path, ML.inspect(path, PICKLES), signature_for({"a": np.zeros(2), "b": np.zeros(2)}), PICKLES)


def test_best_iterations_are_kept(tmp_path, trained):
    from xgboost import XGBClassifier

    x = matrix_of(trained.sample)
    model = XGBClassifier(n_estimators=60, early_stopping_rounds=1, n_jobs=1)
    model.fit(x[:60], trained.late[:60], eval_set=[(x[60:], trained.late[60:])], verbose=False)
    model.save_model(path := tmp_path / "model.json")
    sample = {"distance": x[:, 0], "wind": x[:, 1]}
    predictor = ML.load(path, ML.inspect(path, Policy()), signature_for(sample), Policy())
    np.testing.assert_allclose(predictor.predict(sample)["probability"], model.predict_proba(x)[:, 1], atol=1e-6)
