"""FEEL's names: their characters, and which names are known at a place (DMN 1.5, 10.3.1.2 rules 26 to 30, and 10.3.1.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from modelyard.dmn.feel.types import AnyType

BLANK = "\\t-\\r \\x85\\xa0\\u1680\\u180e\\u2000-\\u200b\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
"""White space (rules 63 and 64), as the inside of a character class."""
START = (
    "?A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u167f\\u1681-\\u180d\\u180f-\\u1fff\\u200c\\u200d"
    "\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufefe\\uff00-\\ufffd\\U00010000-\\U000effff"
)
"""What a name may start with (rule 28), less what is white space."""
PART = START + "0-9\\xb7\\u0300-\\u036f\\u203f\\u2040"
"""What the words of a name are made of (rule 29)."""
SYMBOLS = "./\\-'’+*"
"""The additional name symbols (rule 30); the plain apostrophe too."""

WORD = re.compile(f"[{START}][{PART}]*+")
TOKEN = re.compile(f"[{BLANK}]*+([{PART}]++|[^{BLANK}])")
"""What names are compared by: a word, or any one character that is not white space."""
NAME = re.compile(f"[{START}](?:[{BLANK}]*+[{PART}{SYMBOLS}]++)*+")
"""A whole name (rule 26)."""
_UNUSUAL = re.compile(f'[{BLANK}]*+(?:[0-9]++[{BLANK}]*+[^\\W\\d_]|[^{START}0-9{BLANK}"()\\[\\]{{}}<>=!,:@;{SYMBOLS}])')
"""How names may start that are none by the grammar and cannot be taken for a number or an operator: "1st applicant", "% due"."""
_SPACES = re.compile(f"[{BLANK}]+")

_Trie = dict[str, Any]
_END = ""


def normalise(name: str) -> str:
    """The name with single spaces between its parts and none around it; additional name symbols keep their place."""
    return _SPACES.sub(" ", name).strip(" ")


def without_blanks(text: str) -> str:
    """The text without its white space, which does not count between the parts of a name."""
    return _SPACES.sub("", text)


class NameScope:
    """The names visible at a place, with what is known of their types; what is not here is looked for in `parent`.

    Names that are one word are found by that word. The others (`date of birth`, `profit+loss`) stand in a tree of their words and
    symbols, so that the longest one at a place of the text is found in one walk. White space between their parts does not count.
    Not to be changed once it is shared: the parser alone defines further names, in the scopes that it makes."""

    __slots__ = ("_names", "_nearest", "_outer", "_parent", "_tree", "type_lookup", "unusual")

    def __init__(
        self,
        names: Mapping[str, AnyType],
        parent: NameScope | None = None,
        type_lookup: Callable[[str], AnyType | None] | None = None,
    ) -> None:
        self._names: dict[str, AnyType] = {}
        self._parent = parent
        self._tree: _Trie = {}
        self._outer: NameScope | None = parent._nearest if parent is not None else None
        self._nearest: NameScope | None = self._outer
        self.type_lookup: Callable[[str], AnyType | None] | None = type_lookup or (
            parent.type_lookup if parent is not None else None
        )
        """Finds item definitions' types, so that what is known of a function's parameter is known in its body."""
        self.unusual: bool = parent.unusual if parent is not None else False
        """Whether some name starts with what no name may start with ("1st applicant"); models have them."""
        for name, type_ in names.items():
            self.define(name, type_)

    def define(self, name: str, type_: AnyType) -> None:
        """Add a name, or replace what is known of it."""
        self._names[name] = type_
        if WORD.fullmatch(name):
            return
        usual = WORD.match(name) is not None
        if not usual and _UNUSUAL.match(name) is None:
            return
        node = self._tree
        for token in TOKEN.findall(name):
            node = node.setdefault(token, {})
        node[_END] = name
        self._nearest = self
        self.unusual = self.unusual or not usual

    def type_of(self, name: str) -> AnyType | None:
        """What is known of the name's type; None when there is no such name."""
        scope: NameScope | None = self
        while scope is not None:
            found = scope._names.get(name)
            if found is not None:
                return found
            scope = scope._parent
        return None

    def longest(self, text: str, first: str, end: int) -> tuple[str, int] | None:
        """The longest name of several parts that the text has where the word `first` ends at `end`, and the name's end."""
        best: tuple[str, int] | None = None
        scope = self._nearest
        while scope is not None:
            node = scope._tree.get(first)
            if node is not None:
                found = _walk(node, text, end)
                if found is not None and (best is None or found[1] > best[1]):
                    best = found
            scope = scope._outer
        return best


def _walk(node: _Trie, text: str, end: int) -> tuple[str, int] | None:
    found = (node[_END], end) if _END in node else None
    while True:
        token = TOKEN.match(text, end)
        node = node.get(token[1], {}) if token is not None else {}
        if token is None or not node:
            return found
        end = token.end()
        if _END in node:
            found = (node[_END], end)
