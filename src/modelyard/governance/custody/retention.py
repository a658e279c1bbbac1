"""How long decisions are kept: rules by use case and tier, and the runs that apply them."""

from __future__ import annotations

from typing import Any

from modelyard.catalog.lookup import find_use_case
from modelyard.catalog.model import MODELS, USE_CASES, UseCase
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import InvalidInput, NotFound, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Transaction, equals, every, first
from modelyard.governance.custody.commands import ApplyRetention, RecordRetention, SetRetention
from modelyard.governance.custody.events import RetentionApplied, RetentionSet
from modelyard.governance.custody.model import (
    LEAST_DAYS,
    RETENTION_RUNS,
    RETENTIONS,
    InForce,
    Retention,
    RetentionRun,
    RunState,
)


def in_force(tx: Transaction, organisation: str, use_case: UseCase) -> InForce:
    """What holds for a use case: its own rule, else that of its tier, else for ever."""
    rule = _rule(tx, organisation, f"use_case:{use_case.id}")
    if rule is None and use_case.tier is not None:
        rule = _rule(tx, organisation, f"tier:{use_case.tier.value}")
    return InForce(
        use_case_id=use_case.id,
        use_case=use_case.name,
        tier=use_case.tier,
        days=None if rule is None else rule.days,
        source=None if rule is None else rule.scope,
    )


def all_in_force(tx: Transaction, organisation: str) -> list[InForce]:
    """What holds for every use case, by name."""
    found = [in_force(tx, organisation, u) for u in every(tx, USE_CASES, equals("organisation", organisation))]
    return sorted(found, key=lambda policy: policy.use_case)


def set_retention(work: Work, command: SetRetention) -> Retention:
    """Raises NotFound for the use case, InvalidInput for fewer days than its tier allows, WrongState when there is no own rule to
    take back."""
    scope, name, tier = _scope(work, command)
    least = LEAST_DAYS[tier]
    if command.days is not None and command.days < least:
        raise InvalidInput(
            f"{command.days} days are fewer than the {least} that decisions of {tier.value if tier else 'no'} tier are kept",
            field="days",
            hint="logs of high-risk systems are kept for six months at least; assess the use case if it is not one",
        )
    before = _rule(work.tx, work.organisation, scope)
    if command.by_tier:
        return _taken_back(work, before, command.use_case or "")
    given = {"days": command.days, "reason": work.request.reason, "set_by": work.actor.id}
    if before is None:
        fields = {"scope": scope, "use_case": name, "tier": None if name else tier}
        kept = work.add(RETENTIONS, Retention(**work.new("ret"), **fields, **given))
    else:
        kept = work.save(RETENTIONS, before.model_copy(update=given))
    work.emit(RetentionSet(scope=scope, days=kept.days), f"retention:{kept.id}")
    return kept


def _scope(work: Work, command: SetRetention) -> tuple[str, str | None, Any]:
    if command.use_case is None:
        assert command.tier is not None
        return f"tier:{command.tier.value}", None, command.tier
    use_case = find_use_case(work.tx, work.organisation, command.use_case)
    return f"use_case:{use_case.id}", use_case.name, use_case.tier


def _taken_back(work: Work, before: Retention | None, use_case: str) -> Retention:
    """Records are not removed, so that the log explains them: the rule moves to a scope that nothing asks for."""
    if before is None:
        raise WrongState(f"use case {use_case} has no retention of its own", field="by_tier")
    update = {"scope": f"former:{before.id}", "set_by": work.actor.id, "reason": work.request.reason}
    kept = work.save(RETENTIONS, before.model_copy(update=update))
    work.emit(RetentionSet(scope=before.scope, days=None), f"retention:{kept.id}")
    return kept


def apply_retention(work: Work, command: ApplyRetention) -> RetentionRun:
    """Raises NotFound for the use case. A run that waits already is given instead of another."""
    name = None if command.use_case is None else find_use_case(work.tx, work.organisation, command.use_case).name
    waiting = first(
        work.tx,
        RETENTION_RUNS,
        equals("organisation", work.organisation),
        equals("state", RunState.ASKED.value),
        equals("use_case", name),
    )
    return waiting or work.add(RETENTION_RUNS, RetentionRun(**work.new("run"), use_case=name, asked_by=work.actor.id))


def record_retention(work: Work, command: RecordRetention) -> RetentionRun:
    """Raises WrongState for a run that is finished."""
    run = work.get(RETENTION_RUNS, command.run)
    if run.state is not RunState.ASKED:
        raise WrongState(f"the run is {run.state.value}", field="run")
    rows = sum(removed.rows for removed in command.removed)
    update = {
        "state": RunState.FAILED if command.error else RunState.DONE,
        "removed": command.removed,
        "rows": rows,
        "error": command.error,
        "finished_at": work.now,
    }
    kept = work.save(RETENTION_RUNS, run.model_copy(update=update))
    use_cases = tuple(removed.use_case for removed in command.removed)
    work.emit(RetentionApplied(run=run.id, rows=rows, use_cases=use_cases), f"retention_run:{run.id}")
    return kept


def _rule(tx: Transaction, organisation: str, scope: str) -> Retention | None:
    return first(tx, RETENTIONS, equals("organisation", organisation), equals("scope", scope))


def about_use_case(tx: Transaction, organisation: str, reference: str) -> Subject:
    """A use case with all who own or build what decides there: none of them has the log's custody alone."""
    use_case = find_use_case(tx, organisation, reference)
    models = every(tx, MODELS, equals("use_case_id", use_case.id))
    involved = {use_case.business_owner, use_case.registered_by, *(m.owner for m in models), *(m.registered_by for m in models)}
    attributes = {
        "name": use_case.name,
        "owner": use_case.business_owner,
        "developers": sorted(involved - {""}),
        "tier": use_case.tier.value if use_case.tier else "",
    }
    return Subject(type="use_case", id=use_case.id, attributes=attributes)


def _about_rule(tx: Transaction, request: Request, command: SetRetention) -> Subject:
    if command.use_case is not None:
        return about_use_case(tx, request.organisation, command.use_case)
    return Subject(type="tier", id=str(command.tier and command.tier.value))


def _about_application(tx: Transaction, request: Request, command: ApplyRetention) -> Subject:
    if command.use_case is not None:
        return about_use_case(tx, request.organisation, command.use_case)
    return Subject(type="organisation", id=request.organisation)


def _about_run(tx: Transaction, request: Request, command: RecordRetention) -> Subject:
    run = first(tx, RETENTION_RUNS, equals("organisation", request.organisation), equals("id", command.run))
    if run is None:
        raise NotFound(f"there is no run {command.run!r}", field="run")
    return Subject(type="retention_run", id=run.id)


def handlings() -> list[Handling[Any]]:
    return [
        Handling(SetRetention, set_retention, _about_rule, Retention),
        Handling(ApplyRetention, apply_retention, _about_application, RetentionRun),
        Handling(RecordRetention, record_retention, _about_run, RetentionRun),
    ]
