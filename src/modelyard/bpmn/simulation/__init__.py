"""Playing life cycles before they are adopted: lead time, waiting and working time, bottleneck, cost, ends; and two compared.

report = simulate(definitions, scenario=Scenario(durations={"review": parse_distribution("uniform(PT1H, PT3H)")}), runs=500)
report.lines
compare(report, simulate(other, runs=500)).lines
"""

from modelyard.bpmn.simulation.distributions import Distribution, parse_distribution
from modelyard.bpmn.simulation.report import Comparison, Difference, Measure, Report, RoleTime, StepTime, compare
from modelyard.bpmn.simulation.sampling import sampled
from modelyard.bpmn.simulation.scenario import Outcome, Scenario
from modelyard.bpmn.simulation.simulate import SimulationLimits, simulate

__all__ = [
    "Comparison",
    "Difference",
    "Distribution",
    "Measure",
    "Outcome",
    "Report",
    "RoleTime",
    "Scenario",
    "SimulationLimits",
    "StepTime",
    "compare",
    "parse_distribution",
    "sampled",
    "simulate",
]
