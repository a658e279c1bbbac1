"""Guides as tests: what they show as typed is done, and what they show as printed is what is printed.

`…` stands for anything within a line (alone, for any output); an id that a guide shows stands for the one that was really made,
in all that follows."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.cli_yard import Run

GUIDES = Path(__file__).parents[2] / "docs" / "how-to"
_ID = re.compile(r"\b[a-z]{3}_[0-9A-Za-z]{10,40}(?::[a-z]\d+)?")


@dataclass(frozen=True)
class Shown:
    """A command of a guide with the output under it, its exit code, and who types it."""

    command: str
    output: str
    who: str
    code: int


def blocks(guide: str, language: str) -> list[tuple[str, str]]:
    """What stands on the opening line after the language, and the text of each block."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}[ ]?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(guide: str) -> list[Shown]:
    """`console NAME` says who types; a last line `exit code 8` which code is meant."""
    found = []
    for who, block in blocks(guide, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            code = re.search(r"^exit code (\d+)\n\Z", output, re.MULTILINE)
            found.append(Shown(command, output[: code.start()] if code else output, who.strip(), int(code[1]) if code else 0))
    return found


@dataclass
class Reader:
    """Does what a guide says, in the current folder, and remembers which id stands for which."""

    run: Run
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def follows(self, shown: Shown) -> None:
        command = _ID.sub(lambda found: self.ids.get(found[0], found[0]), shown.command)
        program, *words = shlex.split(command)
        if program != "modelyard":
            subprocess.run(command, shell=True, check=True)
            return
        said = self.run(*words, as_=self.tokens[shown.who]) if shown.who else self.run(*words)
        assert said.code == shown.code, f"{command}\n{said.out}{said.err}"
        self._compare(shown, said.out)

    def _compare(self, shown: Shown, out: str) -> None:
        if shown.output == "…\n":
            return
        expected, lines = shown.output.splitlines(), out.splitlines()
        for wanted, line in zip(expected, lines, strict=False):
            fresh = [id_ for id_ in dict.fromkeys(_ID.findall(wanted)) if id_ not in self.ids]
            match = re.fullmatch(self._pattern(wanted, fresh), _narrow(line))
            assert match, f"{shown.command}\nexpected {wanted!r}\nfound    {line!r}\n{out}"
            self.ids |= {id_: match[number] for number, id_ in enumerate(fresh, 1)}
        assert len(lines) == len(expected), f"{shown.command}\n{out}"

    def _pattern(self, wanted: str, fresh: list[str]) -> str:
        made, met = "", []
        for part in re.split(f"({_ID.pattern})", _narrow(wanted)):
            if part in self.ids:
                made += re.escape(self.ids[part])
            elif part in fresh:
                made += rf"\{met.index(part) + 1}" if part in met else r"([a-z]{3}_\w+(?::[a-z]\d+)?)"
                met += [] if part in met else [part]
            else:
                made += re.escape(part).replace("…", ".*")
        return made.replace(r"\ .*", r"\s?.*")


def _narrow(line: str) -> str:
    """Spaces are those of a column as wide as what stands in it, so how many there are says nothing."""
    return re.sub(r" +", " ", line.strip())
