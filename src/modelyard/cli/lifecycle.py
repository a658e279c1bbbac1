"""`modelyard lifecycle`: life cycles in BPMN. What is done to files needs no server; the rest speaks to one."""

from __future__ import annotations

from cyclopts import App, Group

from modelyard.cli.lifecycle_check import lint, run_scenarios
from modelyard.cli.lifecycle_init import init
from modelyard.cli.lifecycle_simulate import simulate

lifecycle = App(name="lifecycle", help="Life cycles in BPMN: check, test and simulate files; publish, run and mend them.")
FILES = Group("Files", sort_key=1)

lifecycle.command(init, name="init", group=FILES)
lifecycle.command(lint, name="lint", group=FILES)
lifecycle.command(run_scenarios, name="test", group=FILES)
lifecycle.command(simulate, name="simulate", group=FILES)
