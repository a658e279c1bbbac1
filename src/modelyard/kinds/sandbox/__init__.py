"""Whatever touches an untrusted file runs in a child process, with limits and without secrets.

`isolated` runs one operation and gives its result; `NativePredictor` keeps one model loaded and answers for it.
"""

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
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.sandbox.native import NativePredictor

__all__ = [
    "CheckReport",
    "Limits",
    "NativePredictor",
    "Operation",
    "check_isolated",
    "evaluate_isolated",
    "inspect_isolated",
    "observe_isolated",
    "run_isolated",
    "translate_isolated",
]
