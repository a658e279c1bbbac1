"""The token interpreter: a compiled process, and steps from state to state (BPMN 2.0.2, chapter 13).

Call activities are work like any other (`WorkWanted` of the kind `callActivity`): whoever carries the effects out starts the
called process as an instance of its own, and answers with how it ended. Complex gateways and ad-hoc sub-processes are not
executed: a process that has them does not compile. Tasks of no kind are passed at once; manual tasks are work, so that somebody
says they are done."""

from modelyard.bpmn.engine.compiled import CompiledProcess, Start, compile_process
from modelyard.bpmn.engine.stepping import DEFAULT_LIMITS, step

__all__ = ["DEFAULT_LIMITS", "CompiledProcess", "Start", "compile_process", "step"]
