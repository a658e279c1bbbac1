"""What is wrong, or likely wrong, with processes that were read: `lint(definitions)` says it with element, line and code.

Errors are certain: an executable process fails there, or is refused. In a process that is not executable only its structure is
looked at, and nothing is an error. The codes, which do not change:

| code | what it says |
|---|---|
| no-start | a process without start event; a sub-process of which nothing begins |
| start, several-starts | start events that are wrong for their scope; several plain ones |
| unreachable, no-way-out | no token comes to a node; none comes from it to an end |
| dead-end, implicit-end | nothing follows where something should; tokens end without an end event |
| dangling-flow, wrong-flow | a flow without node at its end; one where none may be |
| boundary, link, event-gateway | attached to nothing; links without partner; wrong targets of event-based gateways |
| no-default, no-condition, ignored-condition | conditions that may all fail, are missing (also of events), have no effect |
| condition-on-event | a condition on a flow that leaves an event |
| deadlock | a parallel join that waits for more tokens than come |
| endless-loop | a cycle in which nothing waits and that nothing leaves; a loop without condition and maximum |
| wrong-trigger, no-trigger | an event of a kind that its position cannot have; one that waits for nothing |
| no-message, no-signal, no-code, no-name, no-time | an event that does not say what it waits for or causes |
| no-operation, no-decision, no-script, calls-nothing | a task that does not say what to do |
| abstract-task | a task of no kind, at which nothing is done |
| multi-instance | neither cardinality nor collection |
| compensation | a compensation without handler |
| feel, timer | an expression that is not FEEL; a time that is not of ISO 8601 |
| duplicate-name | two activities of one name in a lane |
| calls-itself | processes of the file that call each other in a circle |

Reading adds its own: not-executable, quantity, instantiate, multi-instance-behavior, loop-maximum, assignments,
foreign-expression, data-store (all keep a process from running); unknown-reference, unknown-extension, extension, assignment,
timer (warnings); translated, no-effect, other-file, calls-elsewhere, data-association, property, wait-for-completion (notes)."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.bpmn.checks import elements, expressions, structure, tokens
from modelyard.bpmn.checks.place import Findings, places
from modelyard.bpmn.model import CallActivity, Definitions, Finding, Process, Severity, SubProcess

__all__ = ["Finding", "Severity", "lint"]

_CHECKS = (*structure.CHECKS, *tokens.CHECKS, *elements.CHECKS, *expressions.CHECKS)


def lint(definitions: Definitions) -> tuple[Finding, ...]:
    """All findings in the order of the file, those of reading included."""
    findings = Findings(list(definitions.notices))
    for process in definitions.processes:
        for place in places(process, findings):
            for check in _CHECKS:
                check(place)
    _calls(definitions, findings)
    return tuple(sorted(dict.fromkeys(findings.found), key=lambda finding: finding.line or 0))


def _calls(definitions: Definitions, findings: Findings) -> None:
    """Processes that call each other in a circle. A note: a condition may end it, as in every recursion."""
    called = {process.id: {call.called for call in _calls_of(process)} for process in definitions.processes}
    for process in definitions.processes:
        seen: set[str] = set()
        waiting = list(called[process.id])
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(called.get(one, ()))
        if process.id in seen:
            findings.add(Severity.NOTE, process, "calls-itself", "the process calls itself, directly or by others")


def _calls_of(process: Process) -> Iterator[CallActivity]:
    scopes = [process.body]
    while scopes:
        for node in scopes.pop().nodes.values():
            if isinstance(node, CallActivity):
                yield node
            elif isinstance(node, SubProcess):
                scopes.append(node.body)
