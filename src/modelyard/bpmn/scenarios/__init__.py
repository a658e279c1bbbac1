"""Tests of life cycles: what happens to an instance, and where it then stands. Text in, differences out.

    process: release
    scenarios:
      - name: a model that fails its checks goes back
        steps:
          - start: {tier: high}
          - expect: {waiting: [checks], tasks: {validator: [checks]}}
          - complete: checks
            result: {passed: false}
          - advance: P3D
          - expect: {ended: completed, ends: [rejected], data: {passed: false}}

`parse` reads the JSON of that (or YAML, given what reads it), `run` plays it, and `Report.coverage` says which nodes and flows
were seen. `scenarios.reading` tells of all steps and expectations."""

from modelyard.bpmn.scenarios.reading import ScenarioFile, Step, TestScenario, parse
from modelyard.bpmn.scenarios.results import Coverage, Failure, Report, ScenarioResult
from modelyard.bpmn.scenarios.running import run

__all__ = ["Coverage", "Failure", "Report", "ScenarioFile", "ScenarioResult", "Step", "TestScenario", "parse", "run"]
