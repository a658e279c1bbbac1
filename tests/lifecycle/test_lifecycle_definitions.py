"""What may be proposed and put in force, by whom; what is shipped."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, ModelyardError, WrongState
from modelyard.lifecycle import shipped
from modelyard.lifecycle.commands import ProposeProcess, PublishProcess
from modelyard.lifecycle.model import DEFINITIONS, SOURCES, SUBSCRIPTIONS, DefinitionStatus
from tests.bpmn.bpmn_text import message, process, service, start
from tests.life.conftest import START
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)
PLAIN = process("p", "s -> t -> e", t=person("developer"))
SCENARIO = """
process: p
scenarios:
  - name: all the way
    steps:
      - start: {}
      - expect: {tasks: [t]}
      - complete: t
      - expect: {ended: completed}
"""


def propose(yard: Yard, source: str, who: str = "dana", **given: Any) -> Any:
    return yard.do(who, ProposeProcess(source=source, **given))


def own(yard: Yard) -> list[Any]:
    """What was proposed beside what is shipped."""
    return [definition for definition in yard.rows(DEFINITIONS) if definition.key in "pq"]


def numbers(yard: Yard, key: str) -> list[tuple[int, str]]:
    return sorted((d.number, d.status.value) for d in yard.rows(DEFINITIONS) if d.key == key)


def test_a_version_is_proposed_by_one_and_put_in_force_by_another(yard: Yard) -> None:
    first = propose(yard, text(PLAIN))
    assert (first.number, first.status, first.proposed_by) == (1, DefinitionStatus.PROPOSED, yard.people["dana"].id)
    for who in ("dana", "omar", "bea", "vera", "root"):
        with pytest.raises(Forbidden):
            yard.do(who, PublishProcess(definition=first.id))
    own = propose(yard, text(process("q", "s -> t -> e", t=person("developer"))), who="rita")
    with pytest.raises(Forbidden):
        yard.do("rita", PublishProcess(definition=own.id))
    yard.do("ruth", PublishProcess(definition=own.id))
    assert yard.do("rita", PublishProcess(definition=first.id)).published_by == yard.people["rita"].id
    with pytest.raises(WrongState, match="published already"):
        yard.do("rita", PublishProcess(definition=first.id))


@ON_MEMORY
def test_one_version_is_in_force_and_an_earlier_one_may_come_back(yard: Yard) -> None:
    one = yard.publish(text(process("p", "s -> t -> e", s=start(message("a")), t=person("developer"))))
    two = yard.publish(text(process("p", "s -> t -> e", s=start(message("b")), t=person("developer"))))
    assert numbers(yard, "p") == [(1, "superseded"), (2, "published")]
    assert yard.start("p").number == 2
    yard.do("rita", PublishProcess(definition=one.id))
    assert numbers(yard, "p") == [(1, "published"), (2, "superseded")]
    assert yard.start("p").number == 1
    assert [(s.name, s.definition) for s in yard.rows(SUBSCRIPTIONS) if s.name in "ab"] == [("a", one.id)]
    assert two.number == 2


@ON_MEMORY
def test_the_same_bundle_twice_is_the_version_it_was(yard: Yard) -> None:
    propose(yard, text(PLAIN))
    with pytest.raises(AlreadyExists, match="version 1 of p, proposed"):
        propose(yard, text(PLAIN), who="rita")
    with_form = propose(yard, text(PLAIN), forms={"more": {"type": "object", "properties": {"x": {"type": "string"}}}})
    assert with_form.number == 2
    assert len({definition.source for definition in own(yard)}) == 1
    assert len([source for source in yard.rows(SOURCES) if source.digest_of_source == with_form.source]) == 1, (
        "the file is kept once"
    )


@ON_MEMORY
def test_one_of_several_processes_of_a_file_is_chosen(yard: Yard) -> None:
    both = text(PLAIN, process("q", "s2 -> t2 -> e2", t2=person("developer")))
    with pytest.raises(InvalidInput, match="2 executable processes: p, q"):
        propose(yard, both)
    with pytest.raises(InvalidInput, match="no executable process 'r'"):
        propose(yard, both, process="r")
    assert propose(yard, both, process="q").key == "q"
    assert propose(yard, both, process="p").key == "p"


def bomb() -> str:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "x">{levels}]>' + text(PLAIN).partition("?>")[2].replace(
        "p", "&e9;", 1
    )


@ON_MEMORY
@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("not xml", "line 1"),
        ("<a/>", "definitions"),
        (text(process("p", "s -> do -> e", do=service(None))), "no modelyard:operation"),
        (text(process("p", "t -> e", t=person("developer"))).replace("endEvent", "wrongEvent"), "wrongEvent"),
        (text(process("p", "s -> do -> e", do=service("a.b", extensions={"authority": "nobody"}))), "which is no user task"),
        (text(process("p", "s -> t -> e", t=person("developer", extensions={"form": "missing"}))), "'missing'"),
        (text(process("p", "s -> t -> e", t=person("developer", extensions={"dueIn": "soon"}))), "no duration"),
        (text(PLAIN).replace('id="t"', 'id="s"'), "twice"),
        (bomb(), "."),
        (text(PLAIN).replace("<process", "<!--" + "-x" * 900_000 + "--><process", 1) + "<", "line"),
        ("<a>" * 100_000, "."),
    ],
    ids=[
        "text",
        "xml",
        "no operation",
        "unknown element",
        "authority",
        "form",
        "duration",
        "id",
        "bomb",
        "large",
        "deep",
    ],
)
def test_what_is_no_good_process_is_told_as_bad_input(yard: Yard, source: str, told: str) -> None:
    yard.house.later(seconds=1)
    with pytest.raises(InvalidInput, match=told) as raised:
        propose(yard, source)
    assert len(str(raised.value)) < 5000
    assert not own(yard)
    assert not [source for source in yard.rows(SOURCES) if source.created_at > START]


def test_one_that_is_too_large_is_told_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="at most"):
        ProposeProcess(source="x" * ((2 << 20) + 1))


@ON_MEMORY
@pytest.mark.parametrize(
    ("scenarios", "told"),
    [
        (SCENARIO.replace("completed", "cancelled"), "all the way"),
        (SCENARIO.replace("complete: t", "complete: nothing"), "nothing"),
        ("scenarios: {", "cannot be played"),
        ("- 1", "."),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(f'*{chr(97 + n)}' for _ in range(9))}]\n" for n in range(12)),
            ".",
        ),
        ("[" * 5000, "."),
        ("!!python/object/apply:os.system ['true']", "cannot be played"),
    ],
    ids=["fails", "unknown step", "no yaml", "a list", "bomb", "deep", "code"],
)
def test_scenarios_that_fail_or_cannot_be_read_keep_it_from_being_proposed(yard: Yard, scenarios: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as raised:
        propose(yard, text(PLAIN), scenarios=scenarios)
    assert len(str(raised.value)) < 5000
    assert not own(yard)


@ON_MEMORY
def test_what_is_odd_and_can_be_run_is_kept_as_a_warning(yard: Yard) -> None:
    made = propose(yard, text(process("p", "s -> t -> e; x -> e2", t=person("developer"), x=person("developer"))))
    assert any("'x'" in warning for warning in made.warnings)


@ON_MEMORY
def test_scenarios_that_pass_are_counted(yard: Yard) -> None:
    made = propose(yard, text(PLAIN), scenarios=SCENARIO)
    assert made.tested == 1
    assert made.coverage == 1.0


# --- what is shipped ------------------------------------------------------------------------------------------------------------


def ships(monkeypatch: pytest.MonkeyPatch, *made: Any) -> None:
    """What is shipped comes from elsewhere for a test."""
    monkeypatch.setattr(shipped, "shipped", lambda: tuple(ProposeProcess(source=text(each), notes="shipped") for each in made))


def bootstrap(yard: Yard) -> None:
    shipped.bootstrap_processes(yard.platform.bus, yard.platform.storage, "default")


def test_what_is_shipped_is_in_force_after_the_first_start_and_an_upgrade_is_proposed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    ships(monkeypatch, PLAIN)
    bootstrap(yard)
    bootstrap(yard)
    assert numbers(yard, "p") == [(1, "published")]
    newer = process("p", "s -> t -> u -> e", t=person("developer"), u=person("developer"))
    ships(monkeypatch, newer)
    bootstrap(yard)
    bootstrap(yard)
    assert numbers(yard, "p") == [(1, "published"), (2, "proposed")]
    proposed = next(d for d in yard.rows(DEFINITIONS) if d.number == 2)
    yard.do("rita", PublishProcess(definition=proposed.id))
    bootstrap(yard)
    assert numbers(yard, "p") == [(1, "superseded"), (2, "published")]


@ON_MEMORY
def test_a_start_that_died_between_proposing_and_publishing_is_made_good(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    ships(monkeypatch, PLAIN)
    with monkeypatch.context() as dying:
        dying.setattr(shipped, "_publish", lambda *_: None)
        bootstrap(yard)
    assert numbers(yard, "p") == [(1, "proposed")]
    bootstrap(yard)
    assert numbers(yard, "p") == [(1, "published")]


@pytest.mark.parametrize("adapter", ["sqlite", "postgres"], indirect=True)
def test_two_processes_that_start_at_once_publish_it_once(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    ships(monkeypatch, PLAIN, process("q", "s -> t -> e", t=person("developer")))
    failed: list[ModelyardError] = []
    ready = threading.Barrier(3)

    def begin() -> None:
        ready.wait()
        try:
            bootstrap(yard)
        except ModelyardError as error:
            failed.append(error)

    starting = [threading.Thread(target=begin) for _ in range(3)]
    with capture_logs():
        for each in starting:
            each.start()
        for each in starting:
            each.join()
    assert not failed
    bootstrap(yard)
    assert numbers(yard, "p") == [(1, "published")]
    assert numbers(yard, "q") == [(1, "published")]
