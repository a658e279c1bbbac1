"""The flights as decisions: all of them, labelled by the rule, and with nothing in a feature that was not known in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.flights import data
from examples.flights.data import DECIDED_BEFORE, FEATURES, LABEL, ROWS, build, with_outcome

AFTERWARDS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Columns that say what happened, not what was planned."""


def test_every_departure_of_the_year_is_a_decision_in_the_order_of_the_schedule(rows: pa.Table) -> None:
    assert rows.num_rows == ROWS
    assert len(rows["flight"].unique()) == ROWS
    times = rows["event_time"].cast(pa.int64()).to_numpy()
    assert bool((np.diff(times) >= 0).all())


def test_a_flight_is_late_from_thirty_one_minutes_on_and_has_no_outcome_when_it_did_not_arrive(rows: pa.Table) -> None:
    assert rows[LABEL].null_count == 9_430
    delay = rows["arrival_delay"]
    assert pc.all(pc.equal(rows[LABEL], pc.greater(delay, 30))).as_py()
    assert set(rows.filter(pc.equal(delay, 30))[LABEL].to_pylist()) == {False}
    assert set(rows.filter(pc.equal(delay, 31))[LABEL].to_pylist()) == {True}


def test_scheduled_local_times_become_utc_in_winter_and_in_summer(rows: pa.Table) -> None:
    """The first flight of the year left at 05:15 Eastern time (UTC-5); in July the zone is UTC-4."""
    assert rows["event_time"][0].as_py() == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    july = data.between(rows, 7)
    minute = july["departure_minute"].to_numpy().astype(int)
    utc = july["event_time"].cast(pa.int64()).to_numpy() // 60_000_000 % 1440
    assert set(np.unique((utc - minute) % 1440)) == {240}


def test_the_share_of_late_flights_moves_by_month(rows: pa.Table) -> None:
    shares = [pc.mean(with_outcome(data.between(rows, m))[LABEL].cast(pa.int8())).as_py() for m in range(1, 13)]
    assert min(shares) == pytest.approx(0.0858, abs=1e-3)
    assert max(shares) == pytest.approx(0.2335, abs=1e-3)


def test_an_impossible_wind_counts_as_missing(rows: pa.Table, tables: Any) -> None:
    assert pc.max(tables[1]["wind_speed"]).as_py() > 1_000
    assert pc.max(rows["wind_speed"]).as_py() < 200


def test_features_are_typed_for_a_model_and_categories_are_never_missing(rows: pa.Table) -> None:
    assert {str(rows.schema.field(name).type) for name in data.NUMBERS} == {"float"}
    assert {rows[name].null_count for name in data.CATEGORIES} == {0}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, ROWS - 1))
def test_a_feature_uses_only_what_could_be_observed_an_hour_before_departure(
    rows: pa.Table, tables: tuple[Any, Any, Any], number: int
) -> None:
    """Features computed from the records that existed at the decision are those computed from the whole year."""
    flights, weather, planes = tables
    identity = rows["flight"][number].as_py()
    moment = rows["event_time"].cast(pa.int64())[number].as_py() // 1_000_000 - DECIDED_BEFORE
    seen = build(*_observable(flights, weather, moment), planes)
    row = pc.index(seen["flight"], identity).as_py()
    assert row >= 0
    there, whole = (table.select(FEATURES).take([at]).to_pylist()[0] for table, at in ((seen, row), (rows, number)))
    assert there == pytest.approx(whole, nan_ok=True)
    assert seen[LABEL][row].as_py() is None


def test_the_proof_would_find_a_leak(rows: pa.Table, tables: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With delays up to the departure itself, features are no longer those that could be observed an hour before."""
    monkeypatch.setattr(data, "DECIDED_BEFORE", 0)
    flights, weather, planes = tables
    leaking = build(flights, weather, planes)
    number = ROWS // 2
    moment = rows["event_time"].cast(pa.int64())[number].as_py() // 1_000_000 - 3600
    seen = build(*_observable(flights, weather, moment), planes)
    row = pc.index(seen["flight"], rows["flight"][number].as_py()).as_py()
    assert seen["recent_delay"][row].as_py() != leaking["recent_delay"][number].as_py()


def _observable(flights: pa.Table, weather: pa.Table, moment: int) -> tuple[pa.Table, pa.Table]:
    """The schedule as it is (it was published), what happened before the moment, and the weather of hours that had ended.

    Only the day before and the day after are kept: what is further away can not matter, and the proof is faster."""
    hour = flights["time_hour"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy()
    scheduled = hour + 60 * flights["minute"].to_numpy()
    near = pa.array(np.abs(scheduled - moment) < 86_400)
    flights, scheduled = flights.filter(near), scheduled[near.to_numpy(zero_copy_only=False)]
    left = scheduled + 60 * flights["dep_delay"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    happened = pa.array(left < moment)
    for name in AFTERWARDS:
        column = flights[name].combine_chunks()
        masked = pc.if_else(happened, column, pa.scalar(None, column.type))
        flights = flights.set_column(flights.column_names.index(name), name, masked)
    # A flight in the air has left, and has not arrived.
    arrival = flights.column_names.index("arr_delay")
    flights = flights.set_column(arrival, "arr_delay", pa.nulls(len(flights), pa.int64()))
    ended = weather["time_hour"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy() + 3600 <= moment
    return flights, weather.filter(pa.array(ended))
