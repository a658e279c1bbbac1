"""Whatever touches an untrusted file runs in a child process, with limits and without secrets.

`…_isolated` runs one operation and gives its result. `NativePredictor` keeps one model loaded in a child of our own environment,
`ForeignPredictor` in one of the model's own.
"""

from modelyard.kinds.sandbox.breaker import State
from modelyard.kinds.sandbox.foreign import ForeignPredictor
from modelyard.kinds.sandbox.hosted import HostedPredictor
from modelyard.kinds.sandbox.isolation import (
    CheckReport,
    Operation,
    check_isolated,
    evaluate_isolated,
    inspect_isolated,
    observe_isolated,
    run_isolated,
    translate_isolated,
)
from modelyard.kinds.sandbox.limits import SERVING, Limits
from modelyard.kinds.sandbox.native import NativePredictor
from modelyard.kinds.sandbox.process import hide

__all__ = [
    "SERVING",
    "CheckReport",
    "ForeignPredictor",
    "HostedPredictor",
    "Limits",
    "NativePredictor",
    "Operation",
    "State",
    "check_isolated",
    "evaluate_isolated",
    "hide",
    "inspect_isolated",
    "observe_isolated",
    "run_isolated",
    "translate_isolated",
]
