"""What came of scenarios, and what of a process they have seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modelyard.bpmn.model import Flow, Node, Process, Scope, SubProcess


@dataclass(frozen=True, slots=True)
class Failure:
    """`step` from 1; `text` says what was expected and what was found."""

    step: int
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """`entered` are nodes, `taken` flows, in the order in which they were. `played` is how many steps were played: after one that
    cannot be done the scenario stops."""

    name: str
    failures: tuple[Failure, ...]
    played: int
    entered: tuple[str, ...]
    taken: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True)
class Coverage:
    """Ids in the order of the file."""

    nodes: tuple[str, ...]
    flows: tuple[str, ...]
    missing_nodes: tuple[str, ...]
    missing_flows: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of all nodes and flows, those that were seen."""
        seen = len(self.nodes) + len(self.flows)
        total = seen + len(self.missing_nodes) + len(self.missing_flows)
        return seen / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Report:
    results: tuple[ScenarioResult, ...]
    coverage: Coverage

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def lines(self) -> tuple[str, ...]:
        """For people."""
        found = [f"{'passed' if result.passed else 'FAILED'}: {result.name}" for result in self.results if result.passed]
        for result in self.results:
            if not result.passed:
                found += [f"FAILED: {result.name}", *(f"  {failure}" for failure in result.failures)]
        missing = ", ".join((*self.coverage.missing_nodes, *self.coverage.missing_flows))
        found.append(f"{self.coverage.share:.0%} of nodes and flows were seen" + (f"; not {missing}" if missing else ""))
        return tuple(found)


def coverage(process: Process, results: Iterable[ScenarioResult]) -> Coverage:
    """What all of the scenarios together have seen."""
    entered: set[str] = set()
    taken: set[str] = set()
    for result in results:
        entered.update(result.entered)
        taken.update(result.taken)
    nodes = [element.id for element in _elements(process.body) if not isinstance(element, Flow)]
    flows = [element.id for element in _elements(process.body) if isinstance(element, Flow)]
    return Coverage(
        tuple(id_ for id_ in nodes if id_ in entered),
        tuple(id_ for id_ in flows if id_ in taken),
        tuple(id_ for id_ in nodes if id_ not in entered),
        tuple(id_ for id_ in flows if id_ not in taken),
    )


def _elements(body: Scope) -> Iterator[Node | Flow]:
    for node in body.nodes.values():
        yield node
        if isinstance(node, SubProcess):
            yield from _elements(node.body)
    yield from body.flows.values()
