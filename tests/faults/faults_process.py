"""The life cycle that the campaign runs: a release with everything in it that a crash could lose or do twice.

    s ─┬─ look ─ (check, a real job; when it fails: again) ─┬─ judge ─ ask ─ review (one a role, at once) ─┬─ rejected
       ├─ pause (timer)                                     │                                             │
       ├─ go (message)                                      │        sign, and hear of it as an event ────┘
       └─ prepare (called: timer, evidence, a person) ──────┘        countersign (two people; nudge)
                                                                     deploy (when there is no such endpoint: mend)

Some releases take the life cycle `model-release` instead, as it is shipped. `Wish` says how one release is to go, and so what
must be found of it in the end."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from modelyard.bpmn.model import Process
from modelyard.lifecycle.commands import ProposeProcess
from modelyard.lifecycle.shipped import shipped
from modelyard.lifecycle.tasks.model import TaskVerdict
from tests.bpmn.bpmn_text import boundary, call, catch, each, error, message, par, process, service, timer, user, xml, xor

RELEASE, PREPARATION, SHIPPED = "faulted-release", "faulted-preparation", "model-release"
USE_CASE, ENDPOINTS = "faults", 5
MISSING = "nowhere"
FORMS = {"mend": {"type": "object", "properties": {"endpoint": {"type": "string"}}, "required": ["endpoint"]}}


@dataclass(frozen=True)
class Wish:
    """One release: of which version, with a check job or with evidence that was there before, to which endpoint (`lost` asks for
    one that does not exist first), and how it ends."""

    name: str
    version: str
    model_version: str
    endpoint: str
    checked: bool = False
    lost: bool = False
    early: bool = False
    shipped: bool = False
    end: str = "released"

    @property
    def process(self) -> str:
        return SHIPPED if self.shipped else RELEASE

    @property
    def verdict(self) -> TaskVerdict:
        return "rejected" if self.end == "rejected" else "approved"

    def data(self) -> dict[str, Any]:
        if self.shipped:
            return {"endpoint": self.endpoint}
        return {
            "key": self.name,
            "checked": self.checked,
            "endpoint": MISSING if self.lost else self.endpoint,
            "right": self.endpoint,
        }


def wishes(versions: list[tuple[str, str]], seed: int) -> list[Wish]:
    """Every way that a release can go, spread over the versions (id, and `model@number`)."""
    chance = random.Random(f"{seed}:wishes")
    found = []
    for number, (id_, name) in enumerate(versions):
        wish = Wish(
            name=f"release-{number}",
            version=id_,
            model_version=name,
            endpoint=f"faults-{number % ENDPOINTS}",
            checked=number % 5 == 1 or number % 7 == 4,
            lost=number % 6 == 2 and number % 7 != 4,
            shipped=number % 7 == 4,
            early=chance.random() < 0.5,
        )
        end = {3: "rejected", 8: "cancelled"}.get(number % 10, "released")
        found.append(replace(wish, end=end))
    return found


def proposals() -> tuple[ProposeProcess, ...]:
    return (
        next(each for each in shipped() if f'<process id="{SHIPPED}"' in each.source),
        ProposeProcess(source=xml(_preparation()).decode()),
        ProposeProcess(source=xml(_release()).decode(), forms=FORMS),
    )


def _preparation() -> Process:
    evidence = {"version": "version.id", "type": '"document"', "facts": "{key: key}"}
    return process(
        PREPARATION,
        "s -> pause -> note -> done -> e",
        pause=catch(timer("PT0.5S")),
        note=service("governance.record_evidence", inputs=evidence),
        done=user(extensions={"role": "developer"}),
    )


def _release() -> Process:
    scope = '{use_case: "faults", endpoints: [right], stage: "production", roles: ["champion"], greatest_share: 1}'
    review = {
        "role": "reviewer",
        "shown": "approval.bound",
        "exclude": "concatenate([approval.requester], approval.developers)",
        "approval": "approval.id",
    }
    return process(
        RELEASE,
        """s -> fork
        fork -> look -> how
        how -[checked]-> check -> looked
        how -else-> looked -> join
        failed -> again -> check
        fork -> pause -> join
        fork -> go -> join
        fork -> prepare -> join -> judge -> ask -> review -> verdict
        verdict -[count(reviews[verdict = "rejected"]) > 0]-> end_rejected
        verdict -else-> signing
        signing -> sign -> signed
        signing -> heard -> signed
        signed -> countersign -> deploy -> e
        late -> nudge -> end_nudged
        nowhere -> mend -> deploy""",
        data={"reviews": "[]", "approval": "null", "issued": "null", "mended": "null", "looked_up": "null"},
        fork=par(),
        join=par(),
        how=xor(),
        looked=xor(),
        verdict=xor(),
        signing=par(),
        signed=par(),
        look=service("read.versions", inputs={"id": "version.id"}, outputs={"looked_up": "result.first.number"}),
        check=service("evaluation.run_checks", inputs={"version": "version.id"}),
        failed=boundary("check", error("job_failed")),
        again=user(extensions={"role": "developer"}),
        pause=catch(timer("PT1S")),
        go=catch(message("faults.go", key="key")),
        prepare=call(PREPARATION, inputs={"key": "key", "version": "version"}),
        judge=service("governance.evaluate_gate", inputs={"version": "version.id"}),
        ask=user(
            operation="governance.request_approval",
            inputs={"version": "version.id", "scope": scope},
            outputs={"approval": "result"},
            extensions={"role": "operator"},
        ),
        review=user(
            operation="governance.decide_approval",
            inputs=review,
            result="review",
            loop=each(
                "approval.roles_required",
                "reviewer",
                output="reviews",
                output_item="{role: reviewer, verdict: review.verdict}",
                completion='review.verdict = "rejected"',
            ),
        ),
        sign=service(
            "governance.issue_release", inputs={"approval": "approval.id"}, result="issued", extensions={"authority": "ask"}
        ),
        heard=catch(message("governance.release_issued", key="version.id")),
        countersign=user(extensions={"role": "validator,risk_officer", "quorum": "2"}),
        late=boundary("countersign", timer("PT2S"), interrupting=False),
        nudge=service("read.releases", inputs={"version": "approval.subject_id"}),
        deploy=service(
            "delivery.deploy", inputs={"endpoint": "endpoint", "release": "issued.id"}, extensions={"authority": "ask"}
        ),
        nowhere=boundary("deploy", error("not_found")),
        mend=user(
            inputs={"right": "right"},
            outputs={"endpoint": "mended.endpoint"},
            result="mended",
            extensions={"role": "operator", "form": "mend"},
        ),
    )
