"""DMN 1.1 to 1.5 and FEEL: decision models loaded from files, compiled once, evaluated many times. Pure; stands alone.

    from decimal import Decimal
    from modelyard.dmn import load

    model = load("loan.dmn")
    result = model.evaluate("Eligibility", {"Age": 42, "Income": Decimal("5000")}, trace=True)
    result.value                  # "ELIGIBLE"
    result.messages               # why something is null: severity, text, element
    result.trace.nodes            # the values of all nodes, and the rules of their tables that matched

Numbers are `Decimal` of 34 digits; dates, times and durations are the engine's own types, which print as ISO; lists and contexts
are lists and dicts. By the specification what goes wrong inside an evaluation is null, and a message says why; exceptions are of
`DmnError`'s family. `modelyard.dmn.analysis` finds gaps and overlaps of tables, `modelyard.dmn.examples` runs test files.
"""

from modelyard.dmn.engine import (
    CompiledDecision,
    DecisionInfo,
    FunctionInfo,
    InputInfo,
    Model,
    Result,
    ServiceInfo,
    Source,
    load,
)
from modelyard.dmn.errors import DmnError, FeelSyntaxError, InvalidData, InvalidModel, LimitExceeded
from modelyard.dmn.expression import Expression
from modelyard.dmn.feel.semantics import written
from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.values import Range
from modelyard.dmn.from_python import plain
from modelyard.dmn.run import (
    Clock,
    Limits,
    Message,
    NodeTrace,
    RuleTrace,
    Severity,
    TableTrace,
    Trace,
    system_clock,
)
from modelyard.dmn.tables import TableInfo

__all__ = [
    "Clock",
    "CompiledDecision",
    "Date",
    "DateTime",
    "DaysTime",
    "DecisionInfo",
    "DmnError",
    "Expression",
    "FeelSyntaxError",
    "FunctionInfo",
    "InputInfo",
    "InvalidData",
    "InvalidModel",
    "LimitExceeded",
    "Limits",
    "Message",
    "Model",
    "NodeTrace",
    "Range",
    "Result",
    "RuleTrace",
    "ServiceInfo",
    "Severity",
    "Source",
    "TableInfo",
    "TableTrace",
    "Time",
    "Trace",
    "YearsMonths",
    "load",
    "plain",
    "system_clock",
    "written",
]
