"""The small pieces of FEEL's text: white space, operators, numbers and strings (DMN 1.5, 10.3.1.2)."""

from __future__ import annotations

import re
from typing import NoReturn

from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel import numbers
from modelyard.dmn.feel.names import BLANK, PART, START, SYMBOLS, TOKEN, WORD, normalise
from modelyard.dmn.feel.syntax import At, Number, String
from modelyard.dmn.run import Limits

_SKIPPED = f"(?>[{BLANK}]+|//[^\\n\\r\\0]*+|/\\*(?>[^*]+|\\*(?!/))*+\\*/)*+"
SKIPPED = re.compile(_SKIPPED)
"""White space and comments."""
OPERATOR = re.compile(_SKIPPED + f"(\\*\\*|[-+*/]|[<>]=?|=|!=|(?:and|or|in|between)(?![{PART}]))")
NOTHING = re.compile(_SKIPPED + r"\0\Z")
"""The end of the text, that the parser marks."""
COMPARATOR = re.compile(_SKIPPED + "([<>]=?|=|!=)")
POSTFIX = re.compile(_SKIPPED + f"(\\.(?!\\.)|[\\[(]|instance(?![{PART}]){_SKIPPED}of(?![{PART}]))")
"""What can follow a complete operand: a path, a filter, a call, `instance of`."""
INTERVAL_END = re.compile(
    f"\\[{_SKIPPED}(?:[,)\\]}}:*/=+<>!]|\\.(?![0-9])|\\0\\Z"
    f"|(?:and|or|in|between|then|else|return|satisfies|instance)(?![{PART}]))"
)
"""A bracket that closes `]a..b[`, by what follows it: a filter's condition starts with none of these."""
DECLARED = re.compile(f"([{START}](?:[{BLANK}]*+(?:[{PART}]++|(?!/[/*])[{SYMBOLS}]))*+){_SKIPPED}:")
"""A name that a colon ends: a key of a context, the name of an argument."""
ARROW = re.compile(_SKIPPED + "->")
EXTERNAL = re.compile(_SKIPPED + f"external(?![{PART}])" + _SKIPPED + r"(?=\{)")
MORE = re.compile(
    f"[{BLANK}]++(?!(?:and|or|in|between|then|else|return|satisfies|instance[{BLANK}]++of)(?![{PART}]))([{PART}]++)"
)
"""A further word of a name that no scope knows: any but a keyword that can follow an expression."""
NUMBER = re.compile(f"(?:[0-9]++(?:\\.[0-9]++)?+|\\.[0-9]++)(?:[eE][+-]?[0-9]++)?+(?![{START}])")
STRING = re.compile(r'"((?>[^"\\]+|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{6})|([nrt\"'\\]))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
_PAIR, _HALF = re.compile("[\ud800-\udbff][\udc00-\udfff]"), re.compile("[\ud800-\udfff]")


def unescape(raw: str) -> str:
    """The characters of a string's inside. A backslash that starts no escape sequence stands for itself.

    Raises ValueError for a code point that is no character."""
    made = _PAIR.sub(_join, _ESCAPE.sub(_character, raw))
    if _HALF.search(made) is not None:
        raise ValueError("half of a pair of surrogates is no character")
    return made


def _character(found: re.Match[str]) -> str:
    short, long, plain = found.groups()
    return _PLAIN.get(plain, plain) if plain else chr(int(short or long, 16))


def _join(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


class Text:
    """A place in the text of an expression, and the steps from it that need no grammar. The text ends with a character that
    nothing starts with. Each step passes white space and comments first; those that do not fit raise FeelSyntaxError."""

    __slots__ = ("depth", "end", "nesting", "pos", "text")

    def __init__(self, text: str, limits: Limits) -> None:
        self.end = len(text)
        if self.end > limits.expression_length:
            raise LimitExceeded(f"the expression has {self.end} characters; {limits.expression_length} are allowed")
        self.text, self.nesting = text + "\0", limits.nesting
        self.pos = self.depth = 0

    def deeper(self) -> None:
        """Count one more level of nesting; `depth` is to be lowered again after it."""
        self.depth += 1
        if self.depth > self.nesting:
            raise LimitExceeded(f"the expression nests deeper than {self.nesting}")

    def finish(self) -> None:
        """Be at the end of the text."""
        self.skip()
        if self.pos < self.end:
            self.fail("an operator or the end of the expression was expected")

    def skip(self) -> str:
        """Pass white space and comments; the character after them."""
        found = SKIPPED.match(self.text, self.pos)
        if found is not None:
            self.pos = found.end()
        return self.text[self.pos]

    def fail(self, detail: str, at: int | None = None) -> NoReturn:
        place = self.pos if at is None else at
        if self.text.startswith("/*", max(place - 1, 0)) or self.text.startswith("/*", place):
            detail = "the comment is not closed"
        raise FeelSyntaxError(detail, text=self.text[:-1], at=place)

    def expect(self, character: str, where: str) -> None:
        if self.skip() != character:
            self.fail(f"{character!r} was expected {where}")
        self.pos += 1

    def accept(self, character: str) -> bool:
        if self.skip() != character:
            return False
        self.pos += 1
        return True

    def accept_word(self, word: str) -> bool:
        self.skip()
        found = WORD.match(self.text, self.pos)
        if found is None or found[0] != word:
            return False
        self.pos = found.end()
        return True

    def expect_word(self, word: str, where: str) -> None:
        if not self.accept_word(word):
            self.fail(f"{word!r} was expected {where}")

    def accept_dots(self) -> bool:
        if self.skip() != "." or self.text[self.pos + 1] != ".":
            return False
        self.pos += 2
        return True

    def words(self, name: str, end: int) -> str:
        """The name with the words that follow it, up to a keyword or symbol. Two names cannot stand side by side, so these belong
        to it, although no scope has it: an entry of an item of unknown type, for instance."""
        text, parts = self.text, [name]
        while (more := MORE.match(text, end)) is not None:
            parts.append(more[1])
            end = more.end()
        self.pos = end
        return " ".join(parts) if len(parts) > 1 else name

    def declared(self, what: str) -> str:
        """A name and its colon."""
        self.skip()
        found = DECLARED.match(self.text, self.pos)
        if found is None:
            self.fail(f"{what} and ':' were expected")
        self.pos = found.end()
        return normalise(found[1])

    def variable(self, stop: str = "") -> str:
        """A name that is made known here: words and symbols, up to the word `stop`."""
        self.skip()
        start = self.pos
        found = WORD.match(self.text, start)
        if found is None:
            self.fail("a name was expected")
        end = found.end()
        while (token := TOKEN.match(self.text, end)) is not None and token[1] != stop and _is_part(token[1]):
            end = token.end()
        self.pos = end
        return normalise(self.text[start:end])

    def number(self) -> Number:
        at = self.pos
        negative = self.text[at] == "-"
        found = NUMBER.match(self.text, at + negative)
        if found is None:
            self.fail("a number was expected, and no letter right after it")
        self.pos = found.end()
        try:
            value = numbers.number(found[0])
        except ValueError:
            self.fail("the number is out of range", at)
        return Number(numbers.CONTEXT.minus(value) if negative else value, at=at)

    def minus(self) -> Number:
        return self.number()

    def dotted(self) -> Number:
        if self.text[self.pos + 1] not in _DIGITS:
            self.fail("an expression was expected")
        return self.number()

    def characters(self) -> str:
        found = STRING.match(self.text, self.pos)
        if found is None:
            self.fail("the string is not closed")
        raw = found[1]
        if "\\" in raw:
            try:
                raw = unescape(raw)
            except ValueError:
                self.fail("an escape sequence in the string is no character")
        self.pos = found.end()
        return raw

    def string(self) -> String:
        at = self.pos
        return String(self.characters(), at=at)

    def at_literal(self) -> At:
        at = self.pos
        self.pos += 1
        if self.skip() != '"':
            self.fail("a string was expected after '@'")
        return At(self.characters(), at=at)


_DIGITS = frozenset("0123456789")
_NAME_SYMBOLS = frozenset("./-'’+*")


def _is_part(token: str) -> bool:
    return token in _NAME_SYMBOLS or WORD.fullmatch("_" + token) is not None
