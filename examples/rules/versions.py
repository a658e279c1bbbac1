"""Four versions of the policy, each with what its registration needs: the files, a sample, test data, metrics, the manifest.

    python -m examples.rules.versions 1     # writes examples/rules/build/, named by examples/rules/modelyard.yaml
    modelyard register -f examples/rules

Version 1 is the committee's, version 2 the better one; they are written out in v1/ and v2/. Versions 3 and 4 are version 2 with
one cell changed, as happens in an afternoon. Version 3 moved a band and left a gap on one side and an overlap on the other; every
application is still answered, but some without anybody having asked what they can afford. Version 4 lost a zero of a limit, and
its author had the expectations of the examples written anew from the answers, so that they agree.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from examples.rules.data import APPLICATIONS_A_DAY, BEGIN, FIELDS, LABEL, ROOT, load, plain
from examples.rules.payoff import Payoff
from modelyard.catalog.manifest_file import FILE_NAME, ManifestFile, dump, parse
from modelyard.core.errors import InvalidInput
from modelyard.dmn import Model
from modelyard.dmn import load as load_model
from modelyard.measures import measure

HERE = Path(__file__).resolve().parent
MODEL, USE_CASE, ENDPOINT = "credit-policy", "grant-loans", "loans"
DECISION = "Loan decision"
POLICY = "credit-policy.dmn"
EXAMPLES = "examples.csv"
EXPECT = "expect "
SAMPLE_ROWS = 300
AGES = (18, 30, 45, 60, 120)
"""Where groups of age begin."""
WEEK = 7 * APPLICATIONS_A_DAY


@dataclass(frozen=True)
class Plan:
    """How a version is made: from which written one, with which cell of which rule changed, tested on which weeks (from 0)."""

    files: str
    tested: tuple[int, int]
    notes: str
    change: tuple[str, str, str] = ("", "", "")
    parents: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()


PLANS = {
    1: Plan("v1", (0, 3), "The policy as the lending committee wrote it down.", limitations=("Default rates are estimates",)),
    2: Plan("v2", (3, 4), "Points, bands and rates counted on three weeks; the bureau is always asked.", parents=(f"{MODEL}@1",)),
    3: Plan(
        "v2",
        (8, 9),
        "A little stricter in the middle.",
        ("pre-bureau-3", "[155..210)", "[160..215)"),
        (f"{MODEL}@2",),
    ),
    4: Plan(
        "v2", (8, 9), "The product's limit, with its reason reworded.", ("grounds-limit", "> 5000", "> 500"), (f"{MODEL}@2",)
    ),
}


@dataclass(frozen=True)
class Built:
    """A version before it is registered. Paths are in `folder`, which holds the manifest."""

    number: int
    folder: Path
    policy: Path
    sample: Path
    test: Path
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's files and its examples."""
        return tuple(sorted(self.policy.iterdir()))


def build(number: int, rows: pa.Table, folder: Path = HERE) -> Built:
    """Write a version's files into `folder/build`. The same rows give the same files."""
    plan = _plan(number)
    place = folder / "build"
    built = Built(number, folder, place / "policy", place / "sample.parquet", place / "test.parquet")
    shutil.rmtree(built.policy, ignore_errors=True)
    shutil.copytree(HERE / plan.files, built.policy)
    if plan.change[0]:
        _change(built.policy / POLICY, *plan.change)
    model = compiled(built.policy)
    if number == 4:
        (built.policy / EXAMPLES).write_text(answered_anew((built.policy / EXAMPLES).read_text("utf-8"), model), encoding="utf-8")
    test = rows.slice(plan.tested[0] * WEEK, (plan.tested[1] - plan.tested[0]) * WEEK)
    pq.write_table(test.select([*FIELDS, LABEL]), built.test)
    pq.write_table(test.slice(0, SAMPLE_ROWS).select(FIELDS), built.sample)
    metrics = _metrics(test, model)
    (place / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    if folder != HERE:
        (folder / FILE_NAME).write_text(dump(_said_of(manifest(), number, plan)), encoding="utf-8")
    return Built(number, folder, built.policy, built.sample, built.test, metrics)


def compiled(folder: Path) -> Model:
    """The policy of a folder. Raises InvalidModel."""
    return load_model(*sorted(folder.glob("*.dmn")))


def manifest() -> ManifestFile:
    """The shipped manifest."""
    return parse((HERE / FILE_NAME).read_text("utf-8"), FILE_NAME)


def decide(model: Model, rows: pa.Table) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """What a policy decides on each row, and the default rate that it expects (NaN where it has no answer)."""
    answers = [model.evaluate(DECISION, row).value or {} for row in plain(rows)]
    rates = [answer.get("default rate") for answer in answers]
    decided = np.array([answer.get("decision") or "" for answer in answers], dtype=object)
    return decided, np.array([np.nan if rate is None else float(rate) for rate in rates])


def granted_by_age(model: Model, rows: pa.Table) -> dict[str, float]:
    """The share of applications that a policy grants, by age: what the law wants to be looked at."""
    decided, age = decide(model, rows)[0], np.asarray(rows["Applicant.Age"].to_numpy())
    groups = {f"granted_{low}_to_{high - 1}": (age >= low) & (age < high) for low, high in pairwise(AGES)}
    return {name: round(float((decided[group] == "ACCEPT").mean()), 4) for name, group in groups.items() if group.any()}


def answered_anew(text: str, model: Model) -> str:
    """Examples whose expectations are whatever the model answers: a test that cannot fail, which is how mistakes get through."""
    rows = list(csv.reader(io.StringIO(text)))
    headings = rows[0]
    for row in rows[1:]:
        inputs: dict[str, Any] = {}
        for heading, cell in zip(headings, row, strict=True):
            owner, _, name = heading.partition(".")
            if owner in ("Applicant", "Loan", "Bureau"):
                inputs.setdefault(owner, {})[name] = _value(cell)
        for place, heading in enumerate(headings):
            if heading.startswith(EXPECT):
                decision, _, entry = heading.removeprefix(EXPECT).partition(".")
                value = model.evaluate(decision, inputs).value
                row[place] = str(value[entry] if entry else value)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _value(cell: str) -> Any:
    if cell == "null":
        return None
    try:
        return float(cell)
    except ValueError:
        return cell


def _plan(number: int) -> Plan:
    if number not in PLANS:
        raise InvalidInput(f"there is no plan for version {number}", field="number", hint="1, 2, 3 or 4")
    return PLANS[number]


def _change(file: Path, rule: str, old: str, new: str) -> None:
    """Change the first cell of a rule that says `old`. Raises InvalidInput when none does."""
    before, mark, after = file.read_text("utf-8").partition(f'<rule id="{rule}">')
    inside, end, rest = after.partition("</rule>")
    if not mark or _cell(old) not in inside:
        raise InvalidInput(f"rule {rule} has no cell {old!r}", field=file.name)
    file.write_text(before + mark + inside.replace(_cell(old), _cell(new), 1) + end + rest, encoding="utf-8")


def _cell(text: str) -> str:
    return f"<text>{text.replace('>', '&gt;').replace('<', '&lt;')}</text>"


def _metrics(test: pa.Table, model: Model) -> dict[str, float]:
    decided, rate = decide(model, test)
    payoff = Payoff.of(test)
    found = {"granted": float((decided == "ACCEPT").mean()), "refused": float((decided == "DECLINE").mean())}
    if not (decided == "").any():
        found["roc_auc"] = float(measure("roc_auc").compute(label=payoff.bad.astype(float), score=rate))
        found["value_per_decision"] = float(payoff.value(decided).mean())
    return {name: round(value, 4) for name, value in found.items()}


def _said_of(said: ManifestFile, number: int, plan: Plan) -> ManifestFile:
    """The shipped manifest with what is different for this version."""
    version = said.version
    if version is None or version.recipe is None:
        raise InvalidInput("the manifest says nothing of the version and its recipe", field="version.recipe")
    period = {"period_from": _begin(plan.tested[0]), "period_to": _begin(plan.tested[1])}
    changes = {
        "notes": plan.notes,
        "parents": plan.parents,
        "data": tuple(data.model_copy(update=period) for data in version.data),
        "recipe": version.recipe.model_copy(update={"command": (*version.recipe.command[:-1], str(number))}),
        "limitations": plan.limitations,
    }
    return said.model_copy(update={"version": version.model_copy(update=changes)})


def _begin(week: int) -> datetime:
    return (BEGIN + timedelta(weeks=week)).astimezone(UTC)


def main(arguments: list[str]) -> int:
    """Build the version of that number, 1 without one."""
    built = build(int(arguments[0]) if arguments else 1, load())
    print(json.dumps(built.metrics, indent=2))
    print(f"next: modelyard register -f {built.folder.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
