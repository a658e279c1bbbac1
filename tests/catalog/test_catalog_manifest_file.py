"""`modelyard.yaml`: its schema, its errors, its first draft, and the commands that follow from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from catalog_yard import Yard, artifact, refusal, signature
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.catalog.errors import InvalidManifestFile
from modelyard.catalog.first_file import FirstAnswers, answers_for, template
from modelyard.catalog.manifest_commands import (
    Fingerprint,
    Gathered,
    refers_only,
    register_model,
    register_use_case,
    register_version,
    update_model,
    update_use_case,
)
from modelyard.catalog.manifest_file import ManifestFile, dump, json_schema, parse
from modelyard.catalog.model import Metric
from modelyard.catalog.profile import Tier
from modelyard.catalog.yaml_text import read
from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput
from modelyard.kinds.contract import Inspection
from modelyard.kinds.signature import Role

MINIMAL = "apiVersion: modelyard/v1\nuse_case: {name: hold}\nmodel: {name: delay}\n"
FULL = """\
apiVersion: modelyard/v1
use_case:
  name: hold-connections
  title: Hold connecting flights
  description: Hold the connecting flight when the arriving one is late
  business_owner: bea
  tier: medium
  review_at: 2027-01-01
  purpose: {intended_use: hold flights, out_of_scope_uses: [crew planning]}
  value:
    cost_matrix: {currency: USD, unit: flight, false_positive: 40, false_negative: 160, true_positive: -120}
    kpis: [{name: missed connections, unit: share, baseline: 0.08, target: 0.05}]
model:
  name: flight-delay
  kind: ml
  owner: olaf
  technique: {methodology: gradient boosting, optimizes: log loss}
version:
  artifact: model.onnx
  sample: data/sample.csv
  lock: requirements.lock
  signature:
    inputs:
      - {name: carrier, role: protected, allowed: [AA, UA, "no"]}
    outputs:
      - {name: late, minimum: 0, maximum: 1}
  data:
    - {name: january, purpose: train, path: data/january.csv, period_from: 2013-01-01, period_to: 2013-01-31, licence: CC0-1.0}
    - {name: weather, purpose: reference, uri: "s3://bucket/weather"}
  recipe: {command: [python, train.py], python: "3.12", parameters: {depth: 6, rate: 0.1, sparse: false}}
  metrics: {auc: {value: 0.71, data: january, reason: ranks}, log_loss: 0.4}
  notes: first
tests:
  - {measure: auc, data: january, minimum: 0.7}
policy: {translation_tolerance: 0.0001}
"""


def gathered(**more: object) -> Gathered:
    given = {
        "artifact": artifact(),
        "inspection": Inspection(kind="ml", format="onnx"),
        "inferred": signature(),
        "lock": digest(b"lock"),
        "data": {"january": Fingerprint(digest=digest(b"january"), size=7, rows=27004)},
    }
    return Gathered.model_validate(given | more)


def problems(text: str) -> dict[str, tuple[int, str]]:
    with pytest.raises(InvalidManifestFile) as caught:
        parse(text, "m.yaml")
    return {p.path: (p.line, f"{p.message} {p.suggestion}") for p in caught.value.problems}


def test_a_minimal_and_a_full_file_are_read() -> None:
    assert parse(MINIMAL).version is None
    full = parse(FULL)
    assert full.use_case.tier is Tier.MEDIUM
    assert full.use_case.review_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert full.version is not None
    assert full.version.signature.inputs[0].allowed == ("AA", "UA", "no")
    assert parse(dump(full)) == full


@pytest.mark.parametrize(
    ("old", "new", "path", "line", "words"),
    [
        ("title:", "titel:", "use_case.titel", 4, "did you mean 'title'"),
        ("tier: medium", "tier: meduim", "use_case.tier", 7, "did you mean 'medium'"),
        ("role: protected", "role: protectd", "version.signature.inputs.0.role", 24, "did you mean 'protected'"),
        ("modelyard/v1", "modelyard/v2", "apiVersion", 1, "did you mean 'modelyard/v1'"),
        ("artifact: model.onnx", "format: onnx", "version.artifact", 18, "required"),
        ("artifact: model.onnx", "artifact: ../model.onnx", "version.artifact", 19, "relative"),
        ("artifact: model.onnx", "artifact: /etc/passwd", "version.artifact", 19, "relative"),
        ("currency: USD", "currency: dollars", "value.cost_matrix.currency", 11, "pattern"),
        ("false_negative: 160", "false_negative: lots", "value.cost_matrix.false_negative", 11, "number"),
        ("reason: ranks", "raeson: ranks", "version.metrics.auc.raeson", 31, "did you mean 'reason'"),
        ("minimum: 0.7", "minium: 0.7", "tests.0.minium", 34, "did you mean 'minimum'"),
        ("name: flight-delay", "name: 7", "model.name", 14, "put it in quotes"),
        ("path: data/january.csv, ", "", "version.data.0", 28, "either `path` or `uri`"),
        ("[python, train.py]", "python train.py", "version.recipe.command", 30, "write a list"),
    ],
)  # fmt: skip
def test_errors_carry_line_path_and_advice(old: str, new: str, path: str, line: int, words: str) -> None:
    assert old in FULL
    found = problems(FULL.replace(old, new, 1))
    at = next(p for p in found if p.endswith(path))
    assert found[at][0] == line
    assert words in found[at][1]
    assert len(found) == 1


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    found = problems("apiVersion: modelyard/v1\nuse_case: {nam: x}\nmodel: [1]\nversion: {artifact: a, data: [{}]}\nrest: 1\n")
    assert list(found) == ["use_case.name", "use_case.nam", "model", "version.data.0.name", "version.data.0.purpose", "rest"] or (
        set(found) == {"use_case.name", "use_case.nam", "model", "version.data.0.name", "version.data.0.purpose", "rest"}
    )
    assert [line for line, _ in found.values()] == sorted(line for line, _ in found.values())


@pytest.mark.parametrize("text", ["[]", "1", "null", "text", "{}"])
def test_a_file_that_is_no_mapping(text: str) -> None:
    with pytest.raises(InvalidManifestFile):
        parse(text)


lines = st.lists(st.sampled_from(FULL.splitlines()), max_size=40)


@given(lines, st.integers(0, 400), st.sampled_from(["", ":", " ", "[", "}", "\n", "&a", "*a", "- ", "~", "é"]))
@settings(max_examples=120, deadline=None)
def test_mangled_files_are_read_or_refused_in_order(chosen: list[str], at: int, piece: str) -> None:
    text = "\n".join(chosen)
    text = text[:at] + piece + text[at:]
    refused = refusal(parse, text)
    assert refused is None or refused.problems
    assert all(1 <= p.line <= text.count("\n") + 2 for p in (refused.problems if refused else ()))


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False)
manifests = st.builds(
    ManifestFile.model_validate,
    st.fixed_dictionaries(
        {
            "apiVersion": st.just("modelyard/v1"),
            "use_case": st.fixed_dictionaries(
                {"name": st.just("hold")},
                optional={
                    "title": words,
                    "tier": st.sampled_from(Tier),
                    "review_at": st.datetimes(timezones=st.just(UTC)),
                    "purpose": st.fixed_dictionaries({}, optional={"intended_use": words, "products": st.lists(words)}),
                },
            ),
            "model": st.just({"name": "delay"}),
            "version": st.none()
            | st.fixed_dictionaries(
                {"artifact": st.just("model.onnx")},
                optional={
                    "notes": words,
                    "metrics": st.dictionaries(words, numbers, max_size=3),
                    "recipe": st.builds(
                        lambda c, p: {"command": c, "parameters": p},
                        st.lists(words, min_size=1),
                        st.dictionaries(words, words | numbers | st.integers() | st.booleans() | st.none(), max_size=3),
                    ),
                },
            ),
        }
    ),
)


@given(manifests)
@settings(max_examples=60, deadline=None)
def test_a_manifest_that_is_written_is_read_back(manifest: ManifestFile) -> None:
    assert parse(dump(manifest)) == manifest


@pytest.mark.parametrize(
    "path", ["models/Flight delay.onnx", "x.ttl", "mdl_0190a1b2.pkl", "_.skops", "ü.dmn", "model", "a" * 300]
)
def test_a_first_file_is_valid_as_it_is(path: str) -> None:
    answers = answers_for(path)
    manifest = parse(template(answers))
    assert manifest.version is not None
    assert manifest.version.artifact == path
    assert manifest.model.kind == answers.kind


@given(words, words, st.none() | st.sampled_from(Tier))
@settings(max_examples=50, deadline=None)
def test_a_first_file_keeps_every_answer(description: str, owner: str, tier: Tier | None) -> None:
    answers = FirstAnswers(model="m", use_case="u", description=description, business_owner=owner, owner=owner, tier=tier)
    manifest = parse(template(answers))
    assert (manifest.use_case.description, manifest.use_case.business_owner) == (description, owner)
    assert (manifest.model.owner, manifest.use_case.tier) == (owner, tier)


def test_the_comments_of_a_first_file_are_right_when_uncommented() -> None:
    text = template(answers_for("model.onnx"))
    head, rest = text.split("apiVersion", 1)
    lines = ("apiVersion" + rest).splitlines()
    kept = [line.replace("# ", "", 1) for line in lines if not line.strip().startswith(("# The b", "# Types", "# Bounds"))]
    manifest = parse("\n".join(kept))
    assert manifest.use_case.value.cost_matrix is not None
    assert manifest.tests
    assert head.startswith("#")


def test_the_published_schema_is_that_of_the_code() -> None:
    schema = json_schema()
    assert schema["required"] == ["apiVersion", "use_case", "model"]
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("text", "valid"),
    [(FULL, True), (MINIMAL, True), (FULL.replace("title:", "titel:"), False), (FULL.replace("reason", "x"), False)],
)
def test_an_editor_judges_by_the_schema_as_the_reader_does(text: str, valid: bool) -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    assert jsonschema_rs.validator_for(json_schema()).is_valid(read(text, "f").value) is valid
    assert (refusal(parse, text) is None) is valid


def test_a_file_becomes_the_commands_that_register_it(yard: Yard) -> None:
    manifest = parse(FULL)
    yard.do(register_use_case(manifest))
    yard.do(register_model(manifest, "ml"))
    command, differences = register_version(manifest, gathered())
    kept = yard.do(command)
    assert kept.number == 1
    assert kept.metrics == {"auc": Metric(value=0.71, data="january", reason="ranks"), "log_loss": Metric(value=0.4)}
    assert [(d.name, d.rows, d.uri) for d in kept.data] == [
        ("january", 27004, "data/january.csv"),
        ("weather", None, "s3://bucket/weather"),
    ]
    assert kept.manifest.signature.input("carrier").role is Role.PROTECTED
    assert {(d.field, d.attribute) for d in differences} == {
        ("carrier", "role"), ("carrier", "allowed"), ("late", "minimum"), ("late", "maximum")
    }  # fmt: skip


def test_a_file_that_says_nothing_new_changes_nothing(quick_yard: Yard) -> None:
    manifest = parse(FULL)
    use_case, model = quick_yard.do(register_use_case(manifest)), quick_yard.do(register_model(manifest, "ml"))
    assert update_use_case(manifest, use_case) is None
    assert update_model(manifest, model) is None
    changed = parse(FULL.replace("tier: medium", "tier: high").replace("owner: olaf", "owner: ole"))
    update = update_use_case(changed, use_case)
    assert update is not None
    assert quick_yard.do(update).tier is Tier.HIGH
    model_update = update_model(changed, model)
    assert model_update is not None
    assert quick_yard.do(model_update).owner == "ole"
    assert refers_only(parse(MINIMAL).use_case)
    assert not refers_only(changed.use_case)


def test_a_model_does_not_change_its_kind(quick_yard: Yard) -> None:
    manifest = parse(FULL)
    quick_yard.do(register_use_case(manifest))
    model = quick_yard.do(register_model(manifest, "ml"))
    with pytest.raises(InvalidInput, match="kind"):
        update_model(parse(FULL.replace("kind: ml", "kind: rules")), model)


def test_what_was_not_gathered_is_named() -> None:
    with pytest.raises(InvalidInput, match="january"):
        register_version(parse(FULL), gathered(data={}))
    with pytest.raises(InvalidInput, match="the artifact is 'onnx'"):
        register_version(parse(FULL.replace("sample:", "format: skops\n  sample:", 1)), gathered())
    with pytest.raises(InvalidInput, match="no `version`"):
        register_version(parse(MINIMAL), gathered())


def test_the_reference_page_describes_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/modelyard-yaml.md").read_text()
    for name, definition in json_schema()["$defs"].items():
        if name.endswith("Section") or name in {"DeclaredField", "DeclaredSignature", "CostMatrix", "Metric", "Kpi"}:
            for field in definition.get("properties", {}):
                assert f"`{field}`" in page, f"{name}.{field} is not in the reference"
    example = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert parse(example).version is not None
