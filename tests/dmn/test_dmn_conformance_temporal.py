"""FEEL's dates, times and durations, case by case (DMN 1.5, 10.3.2.3 and 10.3.4.1)."""

from __future__ import annotations

from tests.dmn.feel_lines import cases, gives


@cases(
    r"""
    date and time("2017-08-10T10:20:00") ==> @"2017-08-10T10:20:00"
    date and time("2017-08-10T10:20:00.123") ==> @"2017-08-10T10:20:00.123"
    string(date and time("2017-08-10T10:20:00.000")) ==> "2017-08-10T10:20:00"
    string(date and time("2017-08-10T10:20:00.100")) ==> "2017-08-10T10:20:00.1"
    string(date and time("99999-12-31T11:22:33")) ==> "99999-12-31T11:22:33"
    string(date and time("-99999-12-31T11:22:33")) ==> "-99999-12-31T11:22:33"
    string(date and time("999999999-12-31T23:59:59.999999999@Europe/Paris")) ==> "999999999-12-31T23:59:59.999999999@Europe/Paris"
    string(date and time("-999999999-12-31T23:59:59.999999999+02:00")) ==> "-999999999-12-31T23:59:59.999999999+02:00"
    string(date and time("2018-12-08T10:30:11@Europe/Paris")) ==> "2018-12-08T10:30:11@Europe/Paris"
    string(date and time("2018-12-08T00:00:00")) ==> "2018-12-08T00:00:00"
    string(date and time("2018-12-08T00:00:00Z")) ==> "2018-12-08T00:00:00Z"
    string(date and time("2018-12-08T00:00:00+00:00")) ==> "2018-12-08T00:00:00Z"
    string(date and time("2018-12-08T10:30:11+11:22")) ==> "2018-12-08T10:30:11+11:22"
    date and time("2018-12-08") ==> @"2018-12-08T00:00:00"
    date and time("-12-31T11:22:33") ==> null
    date and time("17-08-10T10:20:00") ==> null
    date and time("02017-08-10T10:20:00") ==> null
    date and time("+2017-08-10T10:20:00") ==> null
    date and time("+99999-08-10T10:20:00") ==> null
    date and time("2017-13-10T11:22:33") ==> null
    date and time("2017-00-10T11:22:33") ==> null
    date and time("2017-12-32T11:22:33") ==> null
    date and time("2017-02-29T11:22:33") ==> null
    date and time("2016-02-29T11:22:33") ==> @"2016-02-29T11:22:33"
    date and time("2017-12-31T11:22:61") ==> null
    date and time("2017-12-31T11:60:33") ==> null
    date and time("2017-12-31T25:20:33") ==> null
    date and time("2017-12-31T24:00:00") ==> @"2018-01-01T00:00:00"
    date and time("2017-12-31T24:00:01") ==> null
    date and time("2017-12-31T11:22:33+20:00") ==> null
    date and time("2017-12-31T11:22:33+18:00") ==> @"2017-12-31T11:22:33+18:00"
    date and time("2017-12-31T11:22:33+18:01") ==> null
    date and time("2017-12-31T11:22:33-18:00") ==> @"2017-12-31T11:22:33-18:00"
    date and time("2017-12-31T11:22:33@Foo/Bar") ==> null
    date and time("2017-12-31T11:22:33+01:00@Europe/Paris") ==> null
    date and time("2017-12-31T11:22:33Z@Europe/Paris") ==> null
    date and time("2017-12-31T11:22") ==> null
    date and time("2017-12-31T11") ==> null
    date and time("2017-12-31T") ==> null
    date and time("2017-12-31 11:22:33") ==> null
    date and time("2017-12-31T1:22:33") ==> null
    date and time("2017-12-31T11:2:33") ==> null
    date and time("2017-1-31T11:22:33") ==> null
    date and time("2017-12-1T11:22:33") ==> null
    date and time("") ==> null
    date and time("foo") ==> null
    date and time("11:22:33") ==> null
    date and time() ==> null
    date and time(null) ==> null
    date and time(1) ==> null
    date and time([]) ==> null
    date and time(@"2017-01-01T10:00:00") ==> null
    date and time(date("2017-08-10"), time("10:20:00")) ==> @"2017-08-10T10:20:00"
    date and time(date("2017-08-10"), time("10:20:00@Europe/Paris")) ==> @"2017-08-10T10:20:00@Europe/Paris"
    date and time(date("2017-08-10"), time("10:20:00-01:00")) ==> @"2017-08-10T10:20:00-01:00"
    date and time(date("2017-08-10"), time("10:20:00Z")) ==> @"2017-08-10T10:20:00Z"
    date and time(@"2017-08-10T08:00:00@Europe/Paris", time("10:20:00")) ==> @"2017-08-10T10:20:00"
    date and time(date: date("2017-08-10"), time: time("10:20:00")) ==> @"2017-08-10T10:20:00"
    date and time(from: "2017-08-10T10:20:00") ==> @"2017-08-10T10:20:00"
    date and time(date("2017-08-10"), null) ==> null
    date and time(null, time("10:20:00")) ==> null
    date and time("2017-08-10", "10:20:00") ==> null
    date and time(date("2017-08-10"), 1) ==> null
    date and time(time("10:20:00"), date("2017-08-10")) ==> null
    date and time(date: "2017-08-10", time: time("10:20:00")) ==> null
    string(date and time(date("2017-01-01"),time("23:59:01@Europe/Paris"))) ==> "2017-01-01T23:59:01@Europe/Paris"
    date and time("2012-12-24T23:59:00Z") = date and time("2012-12-25T00:59:00+01:00") ==> true
    date and time("2017-08-10T10:20:00@Etc/UTC").time offset ==> @"PT0S"
    date and time("2017-08-10T10:20:00@Etc/UTC").timezone ==> "Etc/UTC"
    date and time("2017-08-10T10:20:00Z").timezone ==> null
    string(@"2017-08-10T10:20:00@Etc/UTC") ==> "2017-08-10T10:20:00@Etc/UTC"
    date and time("2017-12-31T11:22:33.1234567899") ==> null
    date and time("0000-01-01T00:00:00") ==> @"0000-01-01T00:00:00"
    string(date and time("-2017-02-28T02:02:02")) ==> "-2017-02-28T02:02:02"
    date and time("2017-12-31T11:22:33z") ==> @"2017-12-31T11:22:33Z"
    date and time(2017, 8, 10, 10, 20, 0) ==> @"2017-08-10T10:20:00"
    date and time("2017-12-31T11:22:33@europe/paris") ==> null
    date and time("2017-12-31T11:22:33@xyz") ==> null
    date and time("9999999999-12-27T11:22:33") ==> null
    date and time("2017-12-31T11:22:33+5:00") ==> null
    date and time("2017-12-31T11:22:33+0500") ==> null
    date and time("2017-12-31T11:22:33+05") ==> null
    date and time("2017-12-31T11:22:33-00:00") ==> @"2017-12-31T11:22:33Z"
    date and time("2017-12-31T11:22:33+05:60") ==> null
    date and time("2017-12-31T11:22:33.") ==> null
    date and time("2017-12-31t11:22:33") ==> null
    date and time("2011-12-3T10:15:30+01:00@Europe/Paris") ==> null
    date and time("2011-12-03T10:15:30+01:00:01") ==> @"2011-12-03T10:15:30+01:00:01"
    """
)
def test_date_and_time(expression: str, expected: str) -> None:
    """`date and time()`: text, parts, and what is neither."""
    assert gives(expression, expected)


@cases(
    r"""
    @"2020-01-01" ==> date("2020-01-01")
    @"2020-01-01T00:00:01" ==> date and time("2020-01-01T00:00:01")
    @"12:00:00" ==> time("12:00:00")
    @"12:00:00Z" ==> time("12:00:00Z")
    @"12:00:00@Europe/Paris" ==> time("12:00:00@Europe/Paris")
    @"P1Y2M" ==> duration("P1Y2M")
    @"P1DT2H" ==> duration("P1DT2H")
    @"-P1D" ==> duration("-P1D")
    @"foo" ==> null
    @"" ==> null
    @"2020-13-01" ==> null
    @"P1Y1D" ==> null
    @"2020-01-01".year ==> 2020
    @"P1Y2M".months ==> 2
    @"2019-03-31T02:30:00@Europe/Paris" ==> @"2019-03-31T03:30:00@Europe/Paris"
    [@"2020-01-01", @"2020-01-02"][item > @"2020-01-01"] ==> [@"2020-01-02"]
    @"-2020-01-01" ==> date("-2020-01-01")
    @ "2020-01-01" ==> date("2020-01-01")
    """
)
def test_at_literals(expression: str, expected: str) -> None:
    """`@"…"` (grammar rule 64)."""
    assert gives(expression, expected)


@cases(
    r"""
    date("2017-01-01T00:00:00") ==> null
    date(@"2017-01-01T10:00:00@Europe/Paris") ==> @"2017-01-01"
    date(2017, 2, 30) ==> null
    date(year: 2017, month: 8, day: 30) ==> @"2017-08-30"
    date(from: "2012-12-25") ==> @"2012-12-25"
    date(2017.5, 2, 3) ==> null
    time("10:00") ==> null
    time(11, 59, 45, duration("PT2H")) ==> @"11:59:45+02:00"
    time(11, 59, 45, null) ==> @"11:59:45"
    time(11, 59, 45.3) ==> @"11:59:45.3"
    time(hour: 11, minute: 59, second: 0) ==> @"11:59:00"
    time(hour: 11, minute: 59, second: 0, offset: duration("-PT2H")) ==> @"11:59:00-02:00"
    time(@"2017-01-01") ==> @"00:00:00Z"
    time(@"2017-01-01T10:00:00Z") ==> @"10:00:00Z"
    time("23:59:00z") = time("23:59:00Z") ==> true
    time(24,0,0) ==> null
    years and months duration(@"2011-12-22", @"2013-08-24") ==> @"P1Y8M"
    years and months duration(from: @"2011-12-22", to: @"2013-08-24") ==> @"P1Y8M"
    years and months duration(@"2013-08-24", @"2011-12-22") ==> @"-P1Y8M"
    years and months duration(@"2015-01-31", @"2015-02-28") ==> @"P0M"
    years and months duration(@"2016-09-30T23:25:00", @"2017-12-28T12:12:12") ==> @"P1Y2M"
    years and months duration(@"2010-05-30", @"2011-12-15T00:59:59") ==> @"P1Y6M"
    string(duration("P1Y13M")) ==> "P2Y1M"
    string(duration("PT36H")) ==> "P1DT12H"
    string(duration("P0D")) ==> "PT0S"
    string(duration("P0Y")) ==> "P0M"
    string(duration("-PT0.5S")) ==> "-PT0.5S"
    string(@"10:00:00.500") ==> "10:00:00.5"
    string(1.0) ==> "1.0"
    string(1.50) ==> "1.50"
    string(1e3) ==> "1000"
    string(true) ==> "true"
    string(null) ==> null
    string([1,2,"foo"]) ==> "[1, 2, \"foo\"]"
    string([1,2,3,"foo",[]]) ==> "[1, 2, 3, \"foo\", []]"
    string({a: "foo"}) ==> "{a: \"foo\"}"
    string({a: "foo", b: [1]}) ==> "{a: \"foo\", b: [1]}"
    string({"{": "foo"}) ==> "{\"{\": \"foo\"}"
    string({":": "foo"}) ==> "{\":\": \"foo\"}"
    string({",": "foo"}) ==> "{\",\": \"foo\"}"
    string({"\"": "foo"}) ==> "{\"\\\"\": \"foo\"}"
    string([1..5]) ==> "[1..5]"
    string(["a".."c")) ==> "[\"a\"..\"c\")"
    string(from: 1) ==> "1"
    string("a") ==> "a"
    string([null]) ==> "[null]"
    string({a: null}) ==> "{a: null}"
    string([@"2020-01-01"]) ==> "[2020-01-01]"
    string() ==> null
    string(-0) ==> "0"
    """
)
def test_conversions(expression: str, expected: str) -> None:
    """Conversions from text and parts, and back to text (10.3.4.1)."""
    assert gives(expression, expected)


@cases(
    r"""
    @"2020-01-01".weekday ==> 3
    @"P1Y2M".years ==> 1
    @"P1DT2H3M4.5S".seconds ==> 4.5
    @"P1DT2H".days ==> 1
    @"P1DT2H".hours ==> 2
    @"P1DT2H".years ==> null
    @"2020-01-01".hour ==> null
    @"10:11:12Z".time offset ==> @"PT0S"
    @"10:11:12+01:00".time offset ==> @"PT1H"
    @"10:11:12".time offset ==> null
    @"10:11:12@Europe/Paris".timezone ==> "Europe/Paris"
    [1..5].start ==> 1
    [1..5).end included ==> false
    (>5).end ==> null
    (>5).start included ==> false
    day of year(date(2019, 9, 17)) ==> 260
    day of year(@"2020-12-31") ==> 366
    day of year(@"2020-12-31T10:00:00") ==> 366
    day of year(null) ==> null
    day of year("2020-12-31") ==> null
    day of year(date: @"2020-12-31") ==> 366
    """
)
def test_properties(expression: str, expected: str) -> None:
    """Properties (Tables 65 and 66) and the day of the year (10.3.4.8)."""
    assert gives(expression, expected)


@cases(
    r"""
    today() instance of date ==> true
    today(1) ==> null
    now() instance of date and time ==> true
    now(1) ==> null
    today() > @"2020-01-01" ==> true
    today().year > 2000 ==> true
    now().time offset != null ==> true
    """
)
def test_the_present(expression: str, expected: str) -> None:
    """`now()` and `today()` (10.3.4.11)."""
    assert gives(expression, expected)


@cases(
    r"""
    years and months duration(@"2014-12-31T23:59:59", @"2019-10-01T12:32:59") ==> @"P4Y9M"
    years and months duration(@"2016-01-31", @"2016-03-01") ==> @"P1M"
    years and months duration(null, @"2016-03-01") ==> null
    years and months duration("2016-01-31", "2016-03-01") ==> null
    @"2019-10-27T02:30:00@Europe/Paris" + @"PT1H" ==> @"2019-10-27T02:30:00@Europe/Paris" + @"PT1H"
    time(@"10:11:12@Europe/Paris").timezone ==> "Europe/Paris"
    date(@"2020-06-01T23:00:00-05:00") ==> @"2020-06-01"
    duration("P999999999D") ==> @"P999999999D"
    string(duration("P1Y0M")) ==> "P1Y"
    string(duration("P1DT0S")) ==> "P1D"
    string(@"-P1Y2M") ==> "-P1Y2M"
    string(@"-P1DT2H") ==> "-P1DT2H"
    string(@"PT0.000001S") ==> "PT0.000001S"
    string(@"12:00:00@Europe/Paris") ==> "12:00:00@Europe/Paris"
    string(@"12:00:00+00:00") ==> "12:00:00Z"
    string(@"12:00:00+05:30") ==> "12:00:00+05:30"
    string(@"-0001-01-01") ==> "-0001-01-01"
    string(date(5, 1, 1)) ==> "0005-01-01"
    string(date(12345, 1, 1)) ==> "12345-01-01"
    week of year(@"2003-12-29") ==> 1
    week of year(@"2004-01-04") ==> 1
    week of year(@"2005-01-09") ==> 1
    week of year(@"2005-01-03T00:00:00") ==> 1
    day of week(@"2019-09-15") ==> "Sunday"
    @"P1D" > @"PT23H" ==> true
    @"P1D" = @"P1Y" ==> null
    max(@"P1D", @"P2D") ==> @"P2D"
    sum(@"P1D", @"P2D") ==> null
    @"P1D" + @"P2D" ==> @"P3D"
    @"10:00:00" + @"P1D" ==> @"10:00:00"
    @"PT36H".days ==> 1
    @"P1Y14M".years ==> 2
    @"2020-01-01" - @"P1D" ==> @"2019-12-31"
    -@"P1D" + @"P2D" ==> @"P1D"
    @"P1D" * -1 ==> @"-P1D"
    @"P1M" / 2 ==> @"P0M"
    @"PT1S" / 3 ==> @"PT0.333333333S"
    """
)
def test_durations_calendars_and_their_text(expression: str, expected: str) -> None:
    """Where calendars, zones and durations are at their edges."""
    assert gives(expression, expected)
