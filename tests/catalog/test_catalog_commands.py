"""What the catalog's commands promise, on every storage adapter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from catalog_yard import ALL_TABLES, ANNA, Yard, signature, version
from pydantic import ValidationError

from modelyard.catalog import find_model, find_use_case, find_version, service
from modelyard.catalog.commands import (
    AnnotateVersion,
    RegisterModel,
    RegisterUseCase,
    RetireModel,
    RetireVersion,
    UpdateModel,
    UpdateUseCase,
)
from modelyard.catalog.intake import ancestors
from modelyard.catalog.model import (
    LINEAGE,
    NUMBERING,
    STATUS_CHANGES,
    TABLES,
    VERSION_STATES,
    VERSIONS,
    DataPurpose,
    DataReference,
    GitFacts,
    ModelState,
    Recipe,
    Status,
    Version,
)
from modelyard.catalog.profile import Purpose, Tier, Value
from modelyard.core.bus import Handling, Request
from modelyard.core.digests import digest
from modelyard.core.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Refused,
    StaleRevision,
    WrongState,
)
from modelyard.core.messages import AUDIT, Command, EventTypes, Subject
from modelyard.core.records import every
from modelyard.kinds.contract import Inspection, Risk, Severity
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.storage.memory import MemoryStorage

BORIS = ANNA.model_copy(update={"id": "boris"})


def test_a_use_case_is_kept_with_who_said_what(yard: Yard) -> None:
    kept = yard.do(RegisterUseCase(name="hold", tier=Tier.HIGH, purpose=Purpose(intended_use="hold passengers")))
    assert kept.stamps["purpose.intended_use"].by == "anna"
    assert kept.stamps.keys() == {"tier", "purpose.intended_use"}
    assert yard.events("catalog.use_case_registered")[0].payload["name"] == "hold"
    assert yard.read(lambda tx: find_use_case(tx, "default", "hold")) == kept
    assert yard.read(lambda tx: find_use_case(tx, "default", kept.id)) == kept


@pytest.mark.parametrize(
    "name", ["", " ", "-x", "a b", "a/b", "x" * 101, "é", "ver_012345", "mdl_0190a1b2c3", "a@1", "sha256:" + "0" * 64, "a\n"]
)
def test_names_that_would_not_do_are_rejected(name: str) -> None:
    with pytest.raises(ValidationError):
        RegisterUseCase(name=name)


def test_names_are_unique_in_an_organisation_only(yard: Yard) -> None:
    yard.do(RegisterUseCase(name="hold"))
    with pytest.raises(AlreadyExists):
        yard.do(RegisterUseCase(name="hold"))
    other = yard.do(RegisterUseCase(name="hold"), organisation="other")
    assert other.organisation == "other"


def test_another_organisation_sees_nothing(yard: Yard) -> None:
    model = yard.model()
    kept = yard.do(version())
    for reference in (model.id, model.name):
        with pytest.raises(NotFound):
            yard.read(lambda tx, r=reference: find_model(tx, "other", r))
    for reference in (kept.id, "flight-delay@1", kept.manifest_digest):
        with pytest.raises(NotFound):
            yard.read(lambda tx, r=reference: find_version(tx, "other", r))
    with pytest.raises(NotFound):
        yard.do(RetireVersion(version=kept.id, reason="theirs"), organisation="other")


def test_an_update_changes_what_is_given_and_stamps_only_that(yard: Yard) -> None:
    before = yard.do(RegisterUseCase(name="hold", title="Hold", description="as it was"))
    after = yard.do(UpdateUseCase(use_case="hold", revision=before.revision, title="Hold them", clear=("description",)), BORIS)
    assert (after.title, after.description) == ("Hold them", "")
    assert {path: s.by for path, s in after.stamps.items()} == {"title": "boris"}
    assert yard.events("catalog.use_case_updated")[0].payload["fields"] == ["description", "title"]


def test_an_update_from_an_old_revision_is_refused(yard: Yard) -> None:
    before = yard.do(RegisterUseCase(name="hold"))
    yard.do(UpdateUseCase(use_case="hold", revision=before.revision, title="first"))
    with pytest.raises(StaleRevision):
        yard.do(UpdateUseCase(use_case="hold", revision=before.revision, title="second"))
    assert yard.read(lambda tx: find_use_case(tx, "default", "hold")).title == "first"


def test_an_update_that_changes_nothing_leaves_the_record_alone(yard: Yard) -> None:
    before = yard.do(RegisterUseCase(name="hold", title="Hold"))
    assert yard.do(UpdateUseCase(use_case="hold", revision=before.revision, title="Hold")) == before
    assert yard.events("catalog.use_case_updated") == []


@pytest.mark.parametrize("clear", [("name",), ("revision",), ("stamps",), ("title",)])
def test_only_optional_fields_without_a_value_can_be_cleared(clear: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        UpdateUseCase(use_case="hold", revision=0, title="Hold", clear=clear)


def test_a_model_needs_a_known_kind_and_a_use_case(yard: Yard) -> None:
    with pytest.raises(NotFound):
        yard.do(RegisterModel(name="m", use_case="none", kind="ml"))
    yard.do(RegisterUseCase(name="hold"))
    with pytest.raises(InvalidInput, match="known kinds: ml, rules"):
        yard.do(RegisterModel(name="m", use_case="hold", kind="tarot"))
    assert yard.do(RegisterModel(name="m", use_case="hold", kind="rules")).use_case == "hold"


def test_versions_are_numbered_from_one_per_model(yard: Yard) -> None:
    yard.model()
    yard.model("other")
    numbers = [yard.do(version(content=c)).number for c in (b"1", b"2", b"3")]
    assert numbers == [1, 2, 3]
    assert yard.do(version("other")).number == 1
    assert yard.read(lambda tx: find_version(tx, "default", "flight-delay@latest")).number == 3


def test_the_same_version_twice_names_the_first(yard: Yard) -> None:
    yard.model()
    yard.do(version())
    with pytest.raises(AlreadyExists, match="flight-delay@1"):
        yard.do(version(notes="other words, same model"))
    assert yard.do(version(content=b"two")).number == 2


def test_the_digest_binds_environment_recipe_and_lineage(yard: Yard) -> None:
    yard.model()
    lock = digest(b"lock")
    kept = [
        yard.do(version()),
        yard.do(version(environment_lock=lock)),
        yard.do(version(recipe=Recipe(command=("python", "train.py"), parameters={"depth": 3}))),
        yard.do(version(git=GitFacts(commit="a" * 40, dirty=False))),
        yard.do(version(parents=("flight-delay@1",))),
        yard.do(version(data=(DataReference(name="january", purpose=DataPurpose.TRAIN, digest=digest(b"d")),))),
    ]
    assert len({v.manifest_digest for v in kept}) == len(kept)
    assert all(v.manifest.digest() == v.manifest_digest for v in kept)


def test_lineage_is_kept_and_walks_back_to_the_first(yard: Yard) -> None:
    yard.model()
    first = yard.do(version(content=b"1"))
    second = yard.do(version(content=b"2", parents=(first.id,)))
    third = yard.do(version(content=b"3", parents=("flight-delay@2", first.manifest_digest)))
    assert yard.read(lambda tx: set(ancestors(tx, third.id))) == {first.id, second.id}
    assert len(yard.read(lambda tx: every(tx, LINEAGE))) == 3


def test_parents_exist_and_are_named_once(yard: Yard) -> None:
    yard.model()
    first = yard.do(version())
    with pytest.raises(NotFound):
        yard.do(version(content=b"2", parents=("flight-delay@7",)))
    with pytest.raises(InvalidInput, match="twice"):
        yard.do(version(content=b"2", parents=(first.id, "flight-delay@1")))
    assert yard.read(lambda tx: tx.get(NUMBERING, first.model_id)).last == 1


@pytest.mark.parametrize("bad", ["flight-delay@0", "flight-delay@-1", "flight-delay@1e3", f"flight-delay@{10**20}", "x"])
def test_references_that_name_no_version(quick_yard: Yard, bad: str) -> None:
    quick_yard.model()
    with pytest.raises(InvalidInput):
        quick_yard.read(lambda tx: find_version(tx, "default", bad))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"inspection": Inspection(kind="rules", format="onnx")}, "inspection.kind"),
        ({"inspection": Inspection(kind="tarot", format="onnx")}, "inspection.kind"),
        ({"inspection": Inspection(kind="ml", format="skops")}, "artifact.format"),
        ({"recipe": Recipe(command=("make",), environment_lock=digest(b"another"))}, "recipe.environment_lock"),
        ({"data": (DataReference(name="a", purpose=DataPurpose.TEST),) * 2}, "data"),
        ({"signature": signature(FieldSpec(name="x", type=DataType.FP32, shape=(0,)))}, "signature.inputs[0].shape"),
        ({"signature": signature(FieldSpec(name="x", type=DataType.FP32, shape=(2, -3)))}, "signature.inputs[0].shape"),
    ],
)
def test_parts_that_contradict_each_other(quick_yard: Yard, change: dict[str, object], field: str) -> None:
    quick_yard.model()
    with pytest.raises(InvalidInput) as caught:
        quick_yard.do(version(**change))
    assert caught.value.field == field
    assert quick_yard.read(lambda tx: every(tx, VERSIONS)) == []


@pytest.mark.parametrize("facts", [{"x": "\x00"}, {"x": "\ud800"}, {"x": "y" * 5_000_000}], ids=["nul", "surrogate", "huge"])
def test_what_cannot_be_kept_fails_before_the_bus(facts: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        version(inspection=Inspection(kind="ml", format="onnx", facts=facts))


def test_unsafe_formats_need_leave_and_the_refusal_is_recorded(yard: Yard) -> None:
    yard.model()
    pickle = version(format_="pickle", inspection=Inspection(kind="ml", format="pickle", executes_code=True))
    with pytest.raises(Refused, match="runs code"):
        yard.do(pickle)
    refused = [a for a in yard.read(lambda tx: every(tx, AUDIT)) if a.outcome == "refused"]
    assert [(a.action, a.error_code) for a in refused] == [("catalog.register_version", "refused")]


def test_leave_for_unsafe_formats_does_not_cover_other_dangers() -> None:
    yard = Yard(MemoryStorage(ALL_TABLES), options={"allow_unsafe_formats": True, "accepted_risks": ("pickle",)})
    yard.model()
    risks = [Risk(code=c, severity=Severity.DANGER, detail="…") for c in ("pickle", "shell")]
    inspection = Inspection(kind="ml", format="pickle", executes_code=True, risks=tuple(risks[:1]))
    assert yard.do(version(format_="pickle", inspection=inspection)).number == 1
    with pytest.raises(Refused, match="shell"):
        yard.do(version(content=b"2", format_="pickle", inspection=inspection.model_copy(update={"risks": tuple(risks)})))


def test_versions_can_be_neither_changed_nor_removed(yard: Yard) -> None:
    yard.model()
    kept = yard.do(version())
    with pytest.raises(WrongState), yard.storage.transaction() as tx:
        tx.save(VERSIONS, kept.model_copy(update={"notes": "rewritten"}))
    with pytest.raises(WrongState), yard.storage.transaction() as tx:
        tx.remove(VERSIONS, kept.id)
    assert yard.read(lambda tx: tx.get(VERSIONS, kept.id)) == kept


def test_no_command_deletes() -> None:
    actions = [h.command.action for h in service.handlings(kinds=())]
    assert len(actions) == 8
    assert not [a for a in actions if "delete" in a or "remove" in a]


def test_a_retired_version_stays_retired_and_keeps_its_number(yard: Yard) -> None:
    yard.model()
    kept = yard.do(version())
    state = yard.do(RetireVersion(version="flight-delay@1", reason="superseded"))
    assert (state.status, state.reason) == (Status.RETIRED, "superseded")
    with pytest.raises(WrongState):
        yard.do(RetireVersion(version=kept.id, reason="again"))
    with pytest.raises(AlreadyExists):
        yard.do(version())
    assert yard.do(version(content=b"two")).number == 2
    assert len(yard.events("catalog.version_retired")) == 1


def test_a_version_in_use_is_not_retired(yard: Yard) -> None:
    yard.model()
    kept = yard.do(version())
    yard.live[kept.id] = ["hold-passengers"]
    with pytest.raises(WrongState, match="hold-passengers"):
        yard.do(RetireVersion(version=kept.id, reason="try"))
    with pytest.raises(WrongState, match="hold-passengers"):
        yard.do(RetireModel(model="flight-delay", reason="try"))
    assert yard.read(lambda tx: tx.get(VERSION_STATES, kept.id)).status is Status.REGISTERED
    yard.live.clear()
    assert yard.do(RetireVersion(version=kept.id, reason="out of use")).status is Status.RETIRED


def test_retiring_a_model_retires_its_versions_and_closes_it(yard: Yard) -> None:
    model = yard.model()
    yard.do(version(content=b"1"))
    yard.do(version(content=b"2"))
    yard.do(RetireVersion(version="flight-delay@1", reason="old"))
    retired = yard.do(RetireModel(model="flight-delay", reason="the route is closed"))
    assert (retired.state, retired.retired_at) == (ModelState.RETIRED, yard.clock.now())
    assert {s.status for s in yard.read(lambda tx: every(tx, VERSION_STATES))} == {Status.RETIRED}
    for command in (version(content=b"3"), UpdateModel(model=model.id, revision=retired.revision, owner="x")):
        with pytest.raises(WrongState):
            yard.do(command)


def test_an_annotation_is_checked_against_the_inventory(yard: Yard) -> None:
    yard.model()
    yard.do(version())
    kept = yard.do(AnnotateVersion(version="flight-delay@1", field="assurance.known_biases", value=["small airports"]))
    assert (kept.value, kept.by) == (["small airports"], "anna")
    with pytest.raises(InvalidInput, match=r"did you mean 'assurance\.limitations'"):
        yard.do(AnnotateVersion(version="flight-delay@1", field="assurance.limitation", value=["x"]))
    with pytest.raises(InvalidInput):
        yard.do(AnnotateVersion(version="flight-delay@1", field="operation.decision_retention_days", value="long"))


class _Move(Command):
    action = "test.move"

    version: str
    status: Status


def test_higher_rooms_move_a_status_step_by_step(yard: Yard) -> None:
    yard.bus.register(
        Handling(
            _Move,
            lambda work, c: service.change_status(work, c.version, c.status, reason="because", stage="validation"),
            lambda tx, request, c: Subject(type="version", id=c.version),
            Version,
        )
    )
    yard.model()
    kept = yard.do(version())
    with pytest.raises(WrongState, match="it can become: retired, validated"):
        yard.do(_Move(version=kept.id, status=Status.RELEASED))
    assert yard.do(_Move(version=kept.id, status=Status.VALIDATED)).stage == "validation"
    steps = yard.read(lambda tx: every(tx, STATUS_CHANGES))
    assert [(s.before, s.status) for s in steps] == [(None, "registered"), ("registered", "validated")]


def test_a_repeated_key_gives_the_first_version_again(yard: Yard) -> None:
    yard.model()
    first = yard.do(version(), idempotency_key="k")
    assert yard.do(version(), idempotency_key="k") == first
    assert len(yard.read(lambda tx: every(tx, VERSIONS))) == 1


def test_a_dry_run_keeps_nothing(yard: Yard) -> None:
    yard.model()
    assert yard.do(version(), dry_run=True).number == 1
    assert yard.read(lambda tx: every(tx, VERSIONS)) == []


def test_every_event_that_is_emitted_can_be_read_back(yard: Yard) -> None:
    known = EventTypes()
    from modelyard.catalog import EVENTS

    known.register(*EVENTS)
    yard.model()
    yard.do(version())
    yard.do(RetireModel(model="flight-delay", reason="done"))
    from modelyard.core.messages import OUTBOX

    read = [type(known.read(e)).type for e in yard.read(lambda tx: every(tx, OUTBOX))]
    assert len(read) == 5


def test_what_policies_look_at(yard: Yard) -> None:
    yard.do(RegisterUseCase(name="hold", tier=Tier.LOW))
    model = yard.do(RegisterModel(name="m", use_case="hold", kind="ml"))
    kept = yard.do(version("m"))
    by_command = {h.command: h for h in service.handlings(kinds=("ml",))}

    def subject(command: Command) -> Subject:
        request = Request(command=command, actor=ANNA)
        return yard.read(lambda tx: by_command[type(command)].subject(tx, request, command))

    retire = subject(RetireVersion(version="m@1", reason="r"))
    assert (retire.type, retire.id) == ("version", kept.id)
    assert retire.attributes | {"developer": "anna", "tier": "low", "status": "registered"} == retire.attributes
    update = subject(UpdateUseCase(use_case="hold", revision=0, tier=Tier.HIGH))
    assert (update.attributes["tier"], update.attributes["new_tier"]) == ("low", "high")
    assert subject(version("m")).attributes["executes_code"] is False
    assert subject(RetireModel(model="m", reason="r")).id == model.id


def test_unique_costs_and_values_are_finite() -> None:
    with pytest.raises(ValidationError):
        Value.model_validate({"cost_matrix": {"currency": "USD", "false_positive": float("inf"), "false_negative": 1}})
    with pytest.raises(ValidationError):
        Value.model_validate({"cost_matrix": {"currency": "usd", "false_positive": 1, "false_negative": 1}})


def test_registrations_at_once_get_distinct_numbers(yard: Yard) -> None:
    yard.model()
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda n: yard.do(version(content=str(n).encode())), range(16)))
    assert sorted(v.number for v in kept) == list(range(1, 17))


def test_table_names_are_unique() -> None:
    names = [t.name for t in TABLES]
    assert len(set(names)) == len(names)
