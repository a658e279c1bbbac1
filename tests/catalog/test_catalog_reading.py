"""Inventory, search, history, diff and git facts: what can be read from the catalog, on every storage adapter."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from catalog_yard import ANNA, Yard, signature, version
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.catalog.commands import AnnotateVersion, RegisterModel, RegisterUseCase, RetireModel, RetireVersion
from modelyard.catalog.diff import diff, package_differences
from modelyard.catalog.history import history, on_day
from modelyard.catalog.inventory import INVENTORY, as_csv, inventory
from modelyard.catalog.locks import pins
from modelyard.catalog.lookup import find_model
from modelyard.catalog.model import (
    MODELS,
    USE_CASES,
    VERSION_STATES,
    DataPurpose,
    DataReference,
    GitFacts,
    Metric,
    Provenanced,
    Recipe,
    Source,
    Version,
)
from modelyard.catalog.ports import Served
from modelyard.catalog.profile import SECTIONS, Assurance, Purpose, Technique, Tier, declarable
from modelyard.catalog.search import search
from modelyard.catalog.working_copy import git_facts, without_credentials
from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.records import Transaction
from modelyard.kinds.contract import Inspection
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

BORIS = ANNA.model_copy(update={"id": "boris"})
JANUARY = DataReference(
    name="january", purpose=DataPurpose.TRAIN, uri="data/january.csv", digest=digest(b"j"), rows=27004, licence="CC0-1.0"
)


def rich(yard: Yard) -> Version:
    """A version with much said about it and around it."""
    purpose = Purpose(intended_use="hold flights")
    yard.do(RegisterUseCase(name="hold", business_owner="bea", tier=Tier.HIGH, purpose=purpose))
    yard.do(
        RegisterModel(
            name="delay",
            use_case="hold",
            kind="ml",
            owner="olaf",
            technique=Technique(methodology="boosting"),
            assurance=Assurance(limitations=("of the model",)),
        )
    )
    yard.do(version("delay"))
    kept: Version = yard.do(
        version(
            "delay",
            b"two",
            parents=("delay@1",),
            data=(JANUARY,),
            signature=Signature(
                inputs=(FieldSpec(name="carrier", type=DataType.BYTES, role=Role.PROTECTED),), outputs=signature().outputs
            ),
            inspection=Inspection(kind="ml", format="onnx", requirements=("onnx>=1.18",), facts={"objective": "log loss"}),
            metrics={"auc": Metric(value=0.7, data="january", reason="ranks well")},
            git=GitFacts(commit="a" * 40, dirty=True, repository="https://example.org/x"),
            recipe=Recipe(command=("make",), python="3.12"),
        )
    )
    return kept


def test_every_inventory_field_tells_where_it_came_from(yard: Yard) -> None:
    kept = rich(yard)
    record = yard.read(lambda tx: inventory(tx, kept.id))
    expected = {
        "identity.digest": (kept.manifest_digest, Source.DERIVED, "manifest"),
        "identity.previous_version": ("delay@1", Source.DERIVED, "version"),
        "people.business_owner": ("bea", Source.DECLARED, "use case"),
        "people.technical_owner": ("olaf", Source.DECLARED, "model"),
        "people.developer": ("anna", Source.DERIVED, "version"),
        "purpose.intended_use": ("hold flights", Source.DECLARED, "use case"),
        "technique.methodology": ("boosting", Source.DECLARED, "model"),
        "technique.optimizes": ("log loss", Source.INFERRED, "inspection"),
        "data.protected_fields": (["carrier"], Source.DERIVED, "manifest"),
        "data.personal_data": ("perhaps: fields carrier", Source.INFERRED, "inspection"),
        "data.licences": ({"january": "CC0-1.0"}, Source.DERIVED, "lineage"),
        "dependencies.upstream_models": (["delay@1"], Source.DERIVED, "lineage"),
        "dependencies.python": ("3.12", Source.DERIVED, "version"),
        "assurance.limitations": (["of the model"], Source.DECLARED, "model"),
        "assurance.metric_rationale": ("auc: ranks well", Source.DECLARED, "version"),
        "governance.tier": ("high", Source.DECLARED, "use case"),
    }
    for path, (value, source, where) in expected.items():
        found = record.field(path)
        assert found is not None, path
        assert (found.value, found.source, found.from_) == (value, source, where)
        assert found.by
        assert found.at == yard.clock.now()
    first = yard.read(lambda tx: inventory(tx, kept.parents[0]))
    assert first.field("dependencies.downstream_models").value == ["delay@2"]


def test_the_most_specific_word_counts_and_can_be_taken_back(yard: Yard) -> None:
    kept = rich(yard)

    def limitations() -> object:
        found = yard.read(lambda tx: inventory(tx, kept.id)).field("assurance.limitations")
        return found and (found.value, found.by, found.at)

    start = yard.clock.now()
    for value in (["snow"], ["snow", "strikes"], []):
        yard.clock.advance(timedelta(hours=1))
        yard.do(AnnotateVersion(version=kept.id, field="assurance.limitations", value=value), BORIS)
        expected = (value, "boris", yard.clock.now()) if value else (["of the model"], "anna", start)
        assert limitations() == expected


def test_other_rooms_fill_their_fields_and_only_known_ones(quick_yard: Yard) -> None:
    kept = rich(quick_yard)

    def approvals(tx: Transaction, of: Version) -> Mapping[str, Provenanced]:
        return {"governance.approvals": Provenanced(value=[of.name], source=Source.DERIVED, by="governance")}

    def wrong(tx: Transaction, of: Version) -> Mapping[str, Provenanced]:
        return {"governance.aprovals": Provenanced(value=1, source=Source.DERIVED)}

    record = quick_yard.read(lambda tx: inventory(tx, kept.id, [approvals]))
    assert record.field("governance.approvals").value == ["delay@2"]
    assert "governance.approvals" not in record.missing()
    assert "governance.approvals" in quick_yard.read(lambda tx: inventory(tx, kept.id)).missing()
    with pytest.raises(InvalidInput):
        quick_yard.read(lambda tx: inventory(tx, kept.id, [wrong]))


def test_the_record_leaves_as_json_and_as_csv(quick_yard: Yard) -> None:
    kept = rich(quick_yard)
    quick_yard.do(AnnotateVersion(version=kept.id, field="purpose.business_problem", value="=HYPERLINK(1)"))
    record = quick_yard.read(lambda tx: inventory(tx, kept.id))
    exported = json.loads(json.dumps(record.export()))
    assert exported["sections"]["people"]["business_owner"]["from"] == "use case"
    assert {s: set(f) for s, f in exported["sections"].items()} == {s: set(f) for s, f in INVENTORY.items()}
    rows = list(csv.DictReader(io.StringIO(as_csv([record]))))
    assert len(rows) == sum(len(fields) for fields in INVENTORY.values())
    cells = {(r["section"], r["field"]): r for r in rows}
    assert cells["purpose", "business_problem"]["value"] == "'=HYPERLINK(1)"
    assert cells["people", "business_owner"]["source"] == "declared"


def test_what_can_be_declared_has_a_place_in_the_inventory() -> None:
    places = {f"{section}.{name}" for section, names in INVENTORY.items() for name in names}
    assert set(declarable()) <= places
    assert set(SECTIONS) <= set(INVENTORY)


def test_search_by_words_and_fields(yard: Yard) -> None:
    rich(yard)
    yard.do(RegisterUseCase(name="credit-line", title="Réserve für Kredite", tier=Tier.LOW, tags=("bank",)))
    yard.do(RegisterUseCase(name="hidden"), organisation="other")

    def names(table: object, text: str, **more: object) -> list[str]:
        page = yard.read(lambda tx: search(tx, table, "default", text, **more))
        return [getattr(i, "name", None) or f"{i.model}@{i.number}" for i in page.items]

    assert names(USE_CASES, "", sort="name") == ["credit-line", "hold"]
    assert names(USE_CASES, "kredit") == ["credit-line"]
    assert names(USE_CASES, "flights") == ["hold"]
    assert names(USE_CASES, "tier=high") == ["hold"]
    assert names(USE_CASES, "tier=high,low bank") == ["credit-line"]
    assert names(USE_CASES, "name^=cred") == ["credit-line"]
    assert names(MODELS, "boosting kind=ml use_case=hold") == ["delay"]
    assert names(VERSION_STATES, "number>1 status=registered developer=anna") == ["delay@2"]
    assert names(VERSION_STATES, "delay", sort="-number") == ["delay@2", "delay@1"]
    assert names(USE_CASES, "hidden") == []


@pytest.mark.parametrize("text", ["colour=red", "tier='x", "number>many", "x" * 3000])
def test_searches_that_cannot_be_answered_say_why(quick_yard: Yard, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        quick_yard.read(lambda tx: search(tx, VERSION_STATES, "default", text))
    assert caught.value.field


def test_search_pages_through_everything_once(yard: Yard) -> None:
    yard.model()
    for n in range(7):
        yard.do(version(content=str(n).encode()))
    seen: list[int] = []
    after = None
    while True:
        page = yard.read(lambda tx, a=after: search(tx, VERSION_STATES, "default", "", sort="-number", limit=3, after=a))
        seen += [state.number for state in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_history_tells_what_happened_when_and_by_whom(yard: Yard) -> None:
    model = yard.model()
    day = timedelta(days=1)
    yard.clock.advance(day)
    first = yard.do(version(content=b"1"))
    yard.clock.advance(day)
    yard.do(AnnotateVersion(version=first.id, field="assurance.limitations", value=["snow"]), BORIS)
    yard.clock.advance(day)
    yard.do(RetireVersion(version=first.id, reason="replaced"), BORIS)
    yard.clock.advance(day)
    yard.do(RetireModel(model=model.id, reason="closed"), BORIS)
    model = yard.read(lambda tx: find_model(tx, "default", model.id))
    entries = yard.read(lambda tx: history(tx, model))
    assert [(e.what, e.number, e.by, e.detail) for e in entries] == [
        ("model registered", None, "anna", ""),
        ("registered", 1, "anna", ""),
        ("annotated", 1, "boris", "assurance.limitations"),
        ("retired", 1, "boris", "replaced"),
        ("model retired", None, "boris", "closed"),
    ]
    assert [e.at for e in entries] == sorted(e.at for e in entries)


def test_a_past_day_is_as_it_was(yard: Yard) -> None:
    model = yard.model()
    first = yard.do(version())
    then = yard.clock.now()
    yard.clock.advance(timedelta(days=1))
    yard.do(RetireVersion(version=first.id, reason="old"))
    served = Served(version_id=first.id, endpoint="hold", role="champion", share=1.0)
    day = yard.read(lambda tx: on_day(tx, model, then, lambda tx, model_id, at: [served]))
    assert (day.served, [c.status for c in day.versions]) == ((served,), ["registered"])
    today = yard.read(lambda tx: on_day(tx, model, yard.clock.now()))
    assert (today.served, [c.status for c in today.versions]) == (None, ["retired"])
    assert yard.read(lambda tx: on_day(tx, model, then - timedelta(days=1))).versions == ()


LOCK = """\
# made by uv
numpy==2.0.0 ; python_version < '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
numpy==2.1.0 ; python_version >= '3.12' \\
    --hash=sha256:cc
Scikit_Learn[extra]==1.6.0 --hash=sha256:dd  # via -r x
onnx==1.18.0 \\
    --hash=sha256:ee
"""


def test_two_versions_side_by_side(quick_yard: Yard) -> None:
    kept = rich(quick_yard)
    first = quick_yard.read(lambda tx: inventory(tx, kept.parents[0])).version_id
    before = quick_yard.do(
        version("delay", b"0", metrics={"auc": Metric(value=0.6, data="january", reason="x"), "f1": Metric(value=1.0)})
    )
    newer = LOCK.replace("2.1.0", "2.2.0").replace("sha256:ee", "sha256:ff").replace("Scikit_Learn[extra]==1.6.0", "scipy==1.15")
    result = diff(before, kept, LOCK, newer)
    assert (result.before, result.after, result.same) == ("delay@3", "delay@2", False)
    assert {(p.name, p.change, p.before, p.after) for p in result.packages or ()} == {
        ("numpy", "upgraded", "2.1.0", "2.2.0"),
        ("onnx", "rehashed", "1.18.0", "1.18.0"),
        ("scikit-learn", "removed", "1.6.0", None),
        ("scipy", "added", None, "1.15"),
    }
    auc = next(m for m in result.metrics if m.name == "auc")
    assert auc.delta == pytest.approx(0.1)
    assert auc.same_data is False
    assert next(m for m in result.metrics if m.name == "f1").delta is None
    fields = {(f.field, f.mark): {a.what for a in f.attributes} for f in result.signature}
    assert fields["dep_hour", "removed"] == set()
    assert fields["carrier", "changed"] == {"role"}
    assert {d.what for d in result.lineage} >= {f"parent {first}", "git.dirty", "data january (train).digest"}
    assert [s.title for s in result.sections()] == [
        "artifact", "signature", "metrics", "environment", "packages", "recipe", "lineage"
    ]  # fmt: skip
    assert diff(kept, kept, LOCK, LOCK).same
    assert diff(kept, kept).packages is None


def test_moved_fields_are_told_apart_from_changed_ones(quick_yard: Yard) -> None:
    quick_yard.model()
    a, b = (FieldSpec(name=n, type=DataType.FP32) for n in "ab")
    one, two = quick_yard.do(version(signature=signature(a, b))), quick_yard.do(version(signature=signature(b, a)))
    found = diff(one, two).signature
    assert [(f.field, f.moved, f.attributes) for f in found] == [("b", True, ()), ("a", True, ())]


@pytest.mark.parametrize("lock", ["numpy>=2", "numpy", "numpy==2 ==3", "==1", "\\\n"])
def test_locks_that_pin_nothing_are_refused(lock: str) -> None:
    if lock.strip("\\\n"):
        with pytest.raises(InvalidInput, match="line 1"):
            pins(lock)
    else:
        assert pins(lock) == ()


packages = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True),
    max_size=6,
)


@given(packages, packages)
@settings(max_examples=50, deadline=None)
def test_package_differences_explain_the_whole_change(before: dict[str, str], after: dict[str, str]) -> None:
    def lock(pinned: dict[str, str]) -> str:
        return "".join(f"{name}=={v} \\\n    --hash=sha256:{'0' * 64}\n" for name, v in pinned.items())

    result = dict(before)
    for found in package_differences(lock(before), lock(after)):
        assert result.get(found.name) == found.before
        result = {n: v for n, v in (result | {found.name: found.after}).items() if v is not None}
    assert result == after


STATUS = f"# branch.oid {'a' * 40}\n# branch.head main\n# branch.upstream origin/main\n# branch.ab +0 -0\n"


@pytest.mark.parametrize(
    ("lines", "dirty", "untracked"),
    [
        ("", False, 0),
        ("? notes.txt\n? data/\n", False, 2),
        (f"1 .M N... 100644 100644 100644 {'b' * 40} {'b' * 40} train.py\n", True, 0),
        ("2 R. N... 100644 100644 100644 b b R100 x\ty\n? z\n", True, 1),
        ("u UU N... 1 2 3 4 a b c f\n", True, 0),
    ],
)
def test_git_facts_follow_from_what_git_printed(lines: str, dirty: bool, untracked: int) -> None:
    facts = git_facts(STATUS + lines, "https://me:secret@example.org/team/repo.git?x=1\n")
    assert facts == GitFacts(
        commit="a" * 40, dirty=dirty, branch="main", repository="https://example.org/team/repo.git", untracked=untracked
    )


def test_git_facts_without_a_commit_or_a_branch() -> None:
    assert git_facts("# branch.oid (initial)\n# branch.head main\n") is None
    detached = git_facts(STATUS.replace("head main", "head (detached)"))
    assert detached is not None
    assert detached.branch == ""
    with pytest.raises(InvalidInput):
        git_facts("fatal: not a git repository")


@pytest.mark.parametrize("remote", ["git@example.org:team/repo.git", "", "../other"])
def test_remotes_without_credentials_stay(remote: str) -> None:
    assert without_credentials(remote) == remote


def test_an_inventory_of_nothing(yard: Yard) -> None:
    with pytest.raises(NotFound):
        yard.read(lambda tx: inventory(tx, "ver_000000"))
