"""`modelyard lifecycle`: life cycles in BPMN. What is done to files needs no server; the rest speaks to one."""

from __future__ import annotations

from collections.abc import Callable

from cyclopts import App, Group

from modelyard.cli import lifecycle_look as look
from modelyard.cli import lifecycle_publish as publishing
from modelyard.cli import lifecycle_run as running
from modelyard.cli.lifecycle_check import lint, run_scenarios
from modelyard.cli.lifecycle_init import init
from modelyard.cli.lifecycle_simulate import simulate

lifecycle = App(name="lifecycle", help="Life cycles in BPMN: check, test and simulate files; publish, run and mend them.")
_VERBS: dict[str, dict[str, Callable[..., int]]] = {
    "Files": {"init": init, "lint": lint, "test": run_scenarios, "simulate": simulate},
    "Versions": {"publish": publishing.publish, "list": publishing.list_definitions, "source": publishing.source},
    "Instances": {
        "start": running.start,
        "instances": look.list_instances,
        "show": look.show,
        "history": look.history,
        "times": look.times,
        "message": running.message,
        "signal": running.signal,
        "set": running.set_data,
        "migrate": running.migrate,
        "cancel": running.cancel,
    },
    "Incidents": {"incidents": look.incidents, "retry": running.retry, "skip": running.skip},
}
for _place, (_heading, _verbs) in enumerate(_VERBS.items(), 1):
    _group = Group(_heading, sort_key=_place)
    for _verb, _function in _verbs.items():
        lifecycle.command(_function, name=_verb, group=_group)
