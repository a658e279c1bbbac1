"""FEEL's temporal values: date, time, date and time, and the two durations (DMN 1.5, 10.3.2.3.4 to 10.3.2.3.8)."""

from modelyard.dmn.feel.temporal.arithmetic import add, divide, multiply, negate, subtract
from modelyard.dmn.feel.temporal.days import (
    day_of_week,
    day_of_year,
    last_day,
    month_of_year,
    months_between,
    week_of_year,
    weekday,
)
from modelyard.dmn.feel.temporal.order import compare, equal
from modelyard.dmn.feel.temporal.parsing import (
    make_date,
    make_date_time,
    make_days_time,
    make_time,
    make_years_months,
    parse_date,
    parse_date_time,
    parse_duration,
    parse_temporal,
    parse_time,
)
from modelyard.dmn.feel.temporal.properties import PROPERTIES, property_of
from modelyard.dmn.feel.temporal.python import from_python, to_python
from modelyard.dmn.feel.temporal.values import Date, DateTime, DaysTime, Duration, Temporal, Time, YearsMonths
from modelyard.dmn.feel.temporal.zones import is_zone

__all__ = [
    "PROPERTIES",
    "Date",
    "DateTime",
    "DaysTime",
    "Duration",
    "Temporal",
    "Time",
    "YearsMonths",
    "add",
    "compare",
    "day_of_week",
    "day_of_year",
    "divide",
    "equal",
    "from_python",
    "is_zone",
    "last_day",
    "make_date",
    "make_date_time",
    "make_days_time",
    "make_time",
    "make_years_months",
    "month_of_year",
    "months_between",
    "multiply",
    "negate",
    "parse_date",
    "parse_date_time",
    "parse_duration",
    "parse_temporal",
    "parse_time",
    "property_of",
    "subtract",
    "to_python",
    "week_of_year",
    "weekday",
]
