"""Taking running instances to a new definition: a plan that is shown first, and refused where something would be lost.

plan_ = plan(state, compile_process(old), compile_process(new), moves={"review": "assess"})
plan_.lines                                # what moves where, what is withdrawn and wanted anew
plan_.problems                             # why it cannot be done
state, effects = migrate(state, plan_, at)
"""

from modelyard.bpmn.migration.carrying import migrate
from modelyard.bpmn.migration.plan import Become, Move, Plan, plan

__all__ = ["Become", "Move", "Plan", "migrate", "plan"]
