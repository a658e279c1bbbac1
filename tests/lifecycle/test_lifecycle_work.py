"""What steps ask the platform to do: commands, records, decisions and jobs; in whose name; once, whoever crashes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from modelyard.bootstrap import assemble
from modelyard.core.errors import Forbidden, NotFound, WrongState
from modelyard.core.faults import FaultAt
from modelyard.core.messages import AUDIT, SYSTEM, AuditOutcome
from modelyard.core.records import equals, every
from modelyard.governance.assurance.model import EVIDENCE, GATES
from modelyard.governance.identity.commands import DeactivateIdentity, GrantRole, RevokeRole
from modelyard.jobs.commands import CancelJob
from modelyard.jobs.model import JOBS, JobState
from modelyard.jobs.queue import Queue
from modelyard.lifecycle.commands import CancelInstance, DoWork, RecordFailure, RecordResult
from modelyard.lifecycle.inbound import Mover
from modelyard.lifecycle.model import INSTANCES, STEPS, WORK, InstanceStatus
from tests.bpmn.bpmn_text import boundary, each, error, par, process, rule, service, task, xor
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)
ON_SQL = pytest.mark.parametrize("adapter", ["sqlite", "postgres"], indirect=True)


def run(yard: Yard, made: Any, **given: Any) -> Any:
    yard.publish(text(made))
    instance = yard.start(made.id, **given)
    yard.move()
    return yard.instance(instance)


def evidence(yard: Yard, type_: str) -> list[Any]:
    return [each for each in yard.rows(EVIDENCE) if each.type.value == type_]


# --- commands -------------------------------------------------------------------------------------------------------------------

JUDGE = service("governance.evaluate_gate", inputs={"version": "version.id"}, outputs={"passes": "result.metrics.passes"})


@ON_MEMORY
def test_a_command_takes_its_inputs_and_gives_its_result_to_a_variable(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    inputs = {"version": "version.id", "type": '"document"', "metrics": "{pages: 7}"}
    made = process("p", "s -> scan -> e", scan=service("governance.record_evidence", inputs=inputs, result="scan"))
    ended = run(yard, made, about=f"version:{version.name}")
    assert ended.status is InstanceStatus.COMPLETED
    (kept,) = evidence(yard, "document")
    assert yard.data(ended)["scan"]["id"] == kept.id
    (audit,) = [a for a in yard.rows(AUDIT) if a.action == "governance.record_evidence"]
    assert (audit.actor, audit.trace_id) == ("system", ended.id)
    assert ended.id in audit.reason


@ON_MEMORY
def test_without_inputs_the_variables_that_are_fields_are_taken(yard: Yard) -> None:
    yard.house.use_case()
    version = yard.house.version()
    data = {"type": "document", "metrics": {"pages": 7}, "unrelated": 1}
    made = process("p", "s -> scan -> e", scan=service("governance.record_evidence"))
    ended = run(yard, made, data={"version": version.id, **data})
    assert ended.status is InstanceStatus.COMPLETED
    assert len(evidence(yard, "document")) == 1


@ON_MEMORY
@pytest.mark.parametrize(
    ("operation", "inputs", "told"),
    [
        ("governance.evaluate_gate", {"version": '"v"', "verzion": "1"}, "no field verzion"),
        ("governance.evaluate_gate", {"version": '"ver_unknown"'}, "ver_unknown"),
        ("governance.evaluate_gate", {"version": "[1]"}, "cannot be given: version"),
        ("governance.nothing", {}, "no command 'governance.nothing'"),
        ("read.nothing", {}, "no table"),
        ("read.tokens", {}, "no table"),
        ("read.identities", {}, "no table"),
        ("read.models", {"colour": '"red"'}, "colour"),
        ("read.models", {"name": '["a"]'}, "compared with one value"),
        ("lifecycle.cancel_instance", {"instance": '"i"', "why": '"w"'}, "cannot give"),
        ("lifecycle.do_work", {"work": '"w"'}, "cannot give"),
        ("governance.decide_approval", {"approval": '"a"', "verdict": '"approved"'}, ""),
    ],
)
def test_what_cannot_be_done_is_an_incident_that_says_why(yard: Yard, operation: str, inputs: dict[str, str], told: str) -> None:
    made = process("p", "s -> do -> e", do=service(operation, inputs=inputs))
    instance = run(yard, made)
    (incident,) = yard.incidents(instance)
    assert incident.element == "do"
    assert told in incident.message
    assert not yard.rows(WORK)


@ON_MEMORY
def test_records_are_read(yard: Yard) -> None:
    yard.house.use_case()
    made = process(
        "p",
        "s -> one -> none -> e",
        one=service(
            "read.models",
            inputs={"name": '"credit-model"'},
            outputs={"found": "result.first.use_case", "n": "count(result.found)"},
        ),
        none=service("read.models", inputs={"name": '"nothing"'}, result="missing"),
    )
    data = yard.data(run(yard, made))
    assert (data["found"], data["n"]) == ("credit", 1)
    assert data["missing"] == {"first": None, "found": []}
    all_of_them = process("every", "s -> look -> e", look=service("read.models", result="models"))
    assert len(yard.data(run(yard, all_of_them))["models"]["found"]) == 1


@ON_MEMORY
def test_a_decision_in_force_is_asked(yard: Yard) -> None:
    risk = next(gate for gate in yard.rows(GATES) if gate.name == "risk-tier")
    assert risk is not None
    made = process(
        "p", "s -> ask -> e; late -> e2", ask=rule("risk-tier", inputs={"nonsense": "1"}), late=boundary("ask", error())
    )
    ended = run(yard, made)
    assert ended.status is InstanceStatus.COMPLETED
    unknown = process("q", "s -> ask -> e", ask=rule("nothing-like-it"))
    (incident,) = yard.incidents(run(yard, unknown))
    assert "no decision 'nothing-like-it' is in force" in incident.message


# --- in whose name --------------------------------------------------------------------------------------------------------------


def released(yard: Yard) -> tuple[Any, Any]:
    """A process in which somebody is asked, and a release is then issued in their name; with an approval that allows it."""
    yard.house.use_case()
    version = yard.house.version()
    yard.house.evidence(version)
    yard.house.gate(version)
    approval = yard.house.approve(yard.house.request(version))
    made = process(
        "p",
        "s -> ask -> wait -> issue -> e; refused -> told -> e2",
        ask=person("business_owner,operator"),
        wait=person("developer"),
        issue=service(
            "governance.issue_release", inputs={"approval": "approval"}, result="release", extensions={"authority": "ask"}
        ),
        refused=boundary("issue", error("forbidden")),
        told=person("validator"),
    )
    return made, approval


def test_a_step_is_done_in_the_name_of_who_did_the_task(yard: Yard) -> None:
    made, approval = released(yard)
    yard.publish(text(made))
    instance = yard.start("p", data={"approval": approval.id})
    yard.complete("omar", "ask")
    yard.complete("dana", "wait")
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    (audit,) = [a for a in yard.rows(AUDIT) if a.action == "governance.issue_release"]
    assert (audit.actor, audit.actor_kind, audit.trace_id) == (yard.people["omar"].id, "person", instance.id)
    assert yard.data(instance)["release"]["approval"] == approval.id


@ON_MEMORY
def test_with_the_roles_they_have_when_it_is_done(yard: Yard) -> None:
    made, approval = released(yard)
    yard.publish(text(made))
    instance = yard.start("p", data={"approval": approval.id})
    yard.complete("omar", "ask")
    omar = yard.people["omar"].id
    yard.do("root", GrantRole(identity=omar, role="viewer"))
    yard.do("root", RevokeRole(identity=omar, role="operator"))
    yard.complete("dana", "wait")
    assert yard.instance(instance).places == ("told",), "an error that the process catches"
    assert not [a for a in yard.rows(AUDIT) if a.action == "governance.issue_release" and a.outcome is AuditOutcome.DONE]
    refusals = [a for a in yard.rows(AUDIT) if a.outcome is AuditOutcome.REFUSED]
    told = [(a.actor, a.action, a.error_code, a.trace_id) for a in refusals]
    assert told == [(omar, "governance.issue_release", "forbidden", instance.id)], "who it was, and what"


@ON_MEMORY
def test_not_in_the_name_of_one_who_is_gone_nor_of_nobody(yard: Yard) -> None:
    made, approval = released(yard)
    yard.publish(text(made))
    instance = yard.start("p", data={"approval": approval.id})
    yard.complete("omar", "ask")
    yard.do("root", DeactivateIdentity(identity=yard.people["omar"].id))
    yard.complete("dana", "wait")
    (incident,) = yard.incidents(instance)
    assert "not_approved" in incident.message
    assert "omar is no longer active" in incident.message
    early = process(
        "early", "s -> issue -> ask -> e", ask=person("operator"),
        issue=service("governance.issue_release", inputs={"approval": "approval"}, extensions={"authority": "ask"}),
    )  # fmt: skip
    (incident,) = yard.incidents(run(yard, early, data={"approval": approval.id}))
    assert "nobody has" in incident.message


@ON_MEMORY
@pytest.mark.parametrize("operation", ["governance.issue_release", "governance.decide_approval"])
def test_the_platform_itself_approves_and_releases_nothing(yard: Yard, operation: str) -> None:
    _, approval = released(yard)
    inputs = {"approval": "approval"} | (
        {"verdict": '"approved"', "shown": "shown", "comments": '"fine"'} if operation.endswith("approval") else {}
    )
    made = process("own", "s -> do -> e", do=service(operation, inputs=inputs))
    instance = run(yard, made, data={"approval": approval.id, "shown": approval.bound}, who="rita")
    (incident,) = yard.incidents(instance)
    assert "forbidden" in incident.message


# --- jobs -----------------------------------------------------------------------------------------------------------------------


def job_process() -> Any:
    return process(
        "jobs",
        "s -> run -> e; failed -> told -> e2; cancelled -> told2 -> e3",
        run=service("job:probe", inputs={"x": "1 + 1"}, outputs={"state": "result.state", "answer": "result.result.y"}),
        failed=boundary("run", error("job_failed")),
        cancelled=boundary("run", error("job_cancelled")),
        told=person("operator"),
        told2=person("operator"),
    )


def queue_of(yard: Yard) -> Queue:
    return Queue(yard.platform.storage, yard.platform.clock, yard.platform.ids)


def test_a_step_waits_for_its_job_and_takes_its_result(yard: Yard) -> None:
    instance = run(yard, job_process())
    assert instance.places == ("run",)
    (item,) = yard.rows(WORK)
    assert item.not_before is None
    job = queue_of(yard).claim("worker", ["probe"])
    assert job is not None
    assert (job.id, job.payload) == (item.job, {"x": 2})
    queue_of(yard).complete(job, {"y": 42})
    yard.move()
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    assert (yard.data(instance)["state"], yard.data(instance)["answer"]) == ("done", 42)
    assert not yard.left_over()


@ON_MEMORY
def test_a_job_that_fails_or_is_cancelled_is_an_error_of_the_process(yard: Yard) -> None:
    failing, cancelled = run(yard, job_process()), yard.start("jobs")
    job = queue_of(yard).claim("worker", ["probe"])
    assert job is not None
    while job is not None:
        queue_of(yard).fail(job, "it broke")
        yard.house.later(minutes=30)
        job = queue_of(yard).claim("worker", ["probe"])
    yard.move()
    assert yard.instance(failing).places == ("told",)
    assert yard.data(failing)["error"] == "it broke"
    (item,) = [i for i in yard.rows(WORK) if i.instance == cancelled.id]
    yard.do("omar", CancelJob(job=item.job))
    yard.move()
    assert yard.instance(cancelled).places == ("told2",)


@pytest.mark.usefixtures("logs")
@ON_MEMORY
def test_a_result_that_is_too_large_is_an_error_of_the_step(yard: Yard) -> None:
    instance = run(yard, job_process())
    job = queue_of(yard).claim("worker", ["probe"])
    assert job is not None
    queue_of(yard).complete(job, {"y": "x" * (5 << 20)})
    yard.move()
    (incident,) = yard.incidents(instance)
    assert "too_large" in incident.message


@ON_MEMORY
def test_work_that_is_not_wanted_any_more_cancels_its_job(yard: Yard) -> None:
    instance = run(yard, job_process())
    (item,) = yard.rows(WORK)
    yard.do("omar", CancelInstance(instance=instance.id, why="enough"))
    (job,) = [j for j in yard.rows(JOBS) if j.id == item.job]
    assert job.state is JobState.CANCELLED
    yard.move()
    assert not yard.left_over()


# --- once -----------------------------------------------------------------------------------------------------------------------


def scanning(yard: Yard) -> Any:
    yard.house.use_case()
    version = yard.house.version()
    inputs = {"version": "version.id", "type": '"document"', "metrics": "{pages: 7}"}
    yard.publish(
        text(
            process("p", "s -> scan -> t -> e", scan=service("governance.record_evidence", inputs=inputs), t=person("developer"))
        )
    )
    return yard.start("p", about=f"version:{version.name}")


@ON_SQL
def test_two_workers_at_once_do_a_piece_of_work_once(yard: Yard) -> None:
    instances = [scanning(yard), *(yard.start("p", about=yard.rows(INSTANCES)[0].about) for _ in range(4))]
    ready = threading.Barrier(3)

    def work() -> None:
        mover = Mover(yard.platform.storage, yard.platform.bus, yard.platform.clock)
        ready.wait()
        mover.do_work()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for each_ in workers:
        each_.start()
    for each_ in workers:
        each_.join()
    yard.move()
    assert len(evidence(yard, "document")) == len(instances)
    for instance in instances:
        assert yard.instance(instance).places == ("t",)
        assert [s.event for s in yard.rows(STEPS) if s.instance == instance.id] == ["started", "done"]


class Crash(BaseException):
    """The process dies."""


def crash() -> None:
    raise Crash


@pytest.mark.parametrize(
    ("point", "adapter"),
    [(p, a) for p in ("bus.handled", "bus.before_commit", "bus.committed") for a in ("memory", "sqlite", "postgres")],
    indirect=["adapter"],
)
def test_a_crash_at_any_point_does_no_effect_twice(yard: Yard, point: str) -> None:
    instance = scanning(yard)
    before = yard.platform
    dying = assemble(before.settings, before.storage, clock=before.clock, faults=FaultAt(point, crash))
    with pytest.raises(Crash):
        Mover(before.storage, dying.bus, before.clock).do_work()
    assert len(evidence(yard, "document")) == (1 if point == "bus.committed" else 0)
    yard.move()
    assert len(evidence(yard, "document")) == 1
    assert yard.instance(instance).places == ("t",)
    assert yard.instance(instance).steps == 2


@ON_MEMORY
def test_work_that_is_done_is_not_done_again_and_a_late_failure_changes_nothing(yard: Yard) -> None:
    instance = run(yard, job_process())
    (item,) = yard.rows(WORK)
    with pytest.raises(WrongState, match="not due"):
        yard.do(SYSTEM, DoWork(work=item.id))
    # Another worker tried it at the same time, and comes late with its failure.
    for code in (None, "busy"):
        with pytest.raises(WrongState, match="in the meantime"):
            yard.do(SYSTEM, RecordFailure(work=item.id, code=code, message="too late"))
    with pytest.raises(WrongState, match="is not done by"):
        yard.do(SYSTEM, RecordResult(work=item.id, doer="job_other", result={"result": 1}))
    with pytest.raises(NotFound):
        yard.do(SYSTEM, RecordResult(work="ins_1:w1", doer=str(item.job), result={}))
    with pytest.raises(Forbidden):
        yard.do("root", RecordResult(work=item.id, doer=str(item.job), result={"result": 1}))
    assert yard.rows(WORK) == [item]
    assert len([j for j in yard.rows(JOBS) if j.kind == "probe"]) == 1
    assert yard.instance(instance).steps == 1


@ON_MEMORY
def test_a_loop_of_work_that_never_ends_is_an_incident(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.lifecycle.working.LONGEST_RUN", 20)
    made = process(
        "p",
        "s -> a -> look -> b; b -[true]-> a; b -else-> e",
        a=xor(),
        b=xor(),
        look=service("read.models", inputs={"name": '"x"'}),
    )
    instance = run(yard, made)
    (incident,) = yard.incidents(instance)
    assert "does it never end?" in incident.message
    assert yard.instance(instance).steps == 22


@ON_MEMORY
def test_many_pieces_of_work_at_once_and_a_task_of_no_kind(yard: Yard) -> None:
    made = process(
        "p",
        "s -> fork -> plain -> e; fork -> many -> e2",
        fork=par(),
        plain=task(),
        many=service("read.models", inputs={"name": "item"}, loop=each("names")),
    )
    instance = run(yard, made, data={"names": [f"m{n}" for n in range(60)]})
    assert [(i.element, i.message) for i in yard.incidents(instance)] == []
    assert instance.status is InstanceStatus.COMPLETED
    assert not yard.rows(WORK)


def test_what_a_person_may_is_not_what_their_process_may(yard: Yard) -> None:
    """Whoever starts a process lends it nothing: without an authority it is the platform that acts."""
    made = process(
        "p", "s -> do -> e", do=service("governance.grant_role", inputs={"identity": "who", "role": '"administrator"'})
    )
    instance = run(yard, made, data={"who": yard.people["dana"].id}, who="rita")
    (incident,) = yard.incidents(instance)
    assert "forbidden" in incident.message
    with yard.platform.storage.reading() as tx:
        assert not [s for s in every(tx, STEPS, equals("instance", instance.id)) if s.event == "done"]
