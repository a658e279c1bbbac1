"""XPath's regular expressions written for the engine of `modelyard.dmn.feel.regex`.

Grammar: XML Schema 1.1 part 2, appendix G, with the additions of XPath (Functions and Operators 3.1, 5.6.1). One pass of
recursive descent checks and translates; what is not in the grammar is a PatternError."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from modelyard.dmn.errors import LimitExceeded

ANY_FLAG: Final = frozenset("smixq")
MAX_LENGTH: Final = 10_000
"""Characters of a pattern."""
MAX_SIZE: Final = 4_000
"""Parts of a pattern once its counted repetitions are written out, as the engine does."""
_QUANTIFIED: Final = 3
"""What a quantifier adds to the size: the engine looks at its clock the more seldom the more of them stand in a row."""
MAX_DEPTH: Final = 50
MAX_COUNT: Final = 100_000

_SPACE: Final = " \t\n\r"
_SINGLE: Final = {"n": "\n", "r": "\r", "t": "\t", **{char: char for char in "\\|.-^?*+{}()[]$"}}
_DIGITS: Final = frozenset("0123456789")
_CATEGORIES: Final = frozenset(
    [
        "L",
        "Lu",
        "Ll",
        "Lt",
        "Lm",
        "Lo",
        "M",
        "Mn",
        "Mc",
        "Me",
        "N",
        "Nd",
        "Nl",
        "No",
        "P",
        "Pc",
        "Pd",
        "Ps",
        "Pe",
        "Pi",
        "Pf",
        "Po",
        "Z",
        "Zs",
        "Zl",
        "Zp",
        "S",
        "Sm",
        "Sc",
        "Sk",
        "So",
        "C",
        "Cc",
        "Cf",
        "Co",
        "Cn",
    ]
)
_OLD_BLOCKS: Final = {
    "Greek": "GreekandCoptic",
    "CombiningMarksforSymbols": "CombiningDiacriticalMarksforSymbols",
    "PrivateUse": "PrivateUseArea",
}
_NAME_START: Final = (
    r":A-Z_a-z\xC0-\xD6\xD8-\xF6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C-\u200D\u2070-\u218F"
    r"\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\U00010000-\U000EFFFF"
)
_NOT_NAME_START: Final = (
    r"\x00-9;-@\[-\^`\{-\xBF\xD7\xF7\u0300-\u036F\u037E\u2000-\u200B\u200E-\u206F\u2190-\u2BFF"
    r"\u2FF0-\u3000\uD800-\uF8FF\uFDD0-\uFDEF\uFFFE\uFFFF\U000F0000-\U0010FFFF"
)
_NAME: Final = _NAME_START + r"\-.0-9\xB7\u0300-\u036F\u203F-\u2040"
_NOT_NAME: Final = (
    r"\x00-,/;-@\[-\^`\{-\xB6\xB8-\xBF\xD7\xF7\u037E\u2000-\u200B\u200E-\u203E\u2041-\u206F\u2190-\u2BFF"
    r"\u2FF0-\u3000\uD800-\uF8FF\uFDD0-\uFDEF\uFFFE\uFFFF\U000F0000-\U0010FFFF"
)
_CLASSES: Final = {
    "s": r"\x20\t\n\r",
    "S": r"\x00-\x08\x0B\x0C\x0E-\x1F!-\U0010FFFF",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"\p{L}\p{M}\p{N}\p{S}",
    "W": r"\p{P}\p{Z}\p{C}",
    "i": _NAME_START,
    "I": _NOT_NAME_START,
    "c": _NAME,
    "C": _NOT_NAME,
}
"""The classes of several characters, as they stand within the engine's brackets."""


class PatternError(ValueError):
    """A pattern, replacement or flag that XPath does not allow."""


@dataclass(frozen=True, slots=True)
class Translation:
    """The engine's pattern, and how many capturing groups it has."""

    text: str
    groups: int


def translate(pattern: str, flags: str) -> Translation:
    """Raises PatternError for what is not in the grammar, LimitExceeded for what is too large."""
    if len(pattern) > MAX_LENGTH:
        raise LimitExceeded(f"a regular expression of {len(pattern)} characters is larger than {MAX_LENGTH}")
    reader = _Reader(pattern, flags)
    text, size = reader.alternatives(0)
    if reader.at < len(reader.text):
        raise PatternError(f"the pattern has a {reader.text[reader.at]!r} too many")
    if size > MAX_SIZE:
        raise LimitExceeded("a regular expression repeats too much")
    return Translation(text, reader.groups)


def literal(text: str) -> str:
    """The text as the engine's pattern for exactly this text."""
    return "".join(map(_escaped, text))


def _without_space(pattern: str) -> str:
    """The pattern less the white space outside of brackets: what flag x asks for, before anything else (F&O 5.6.2)."""
    kept: list[str] = []
    depth, after_backslash = 0, False
    for char in pattern:
        if char in _SPACE and not depth:
            continue
        kept.append(char)
        if not after_backslash:
            depth = max(0, depth + (char == "[") - (char == "]"))
        after_backslash = char == "\\" and not after_backslash
    return "".join(kept)


def _escaped(char: str) -> str:
    if char.isalnum() or char == "_" or ord(char) > 0x9F:
        return char
    return f"\\x{ord(char):02X}"


class _Reader:
    """Reads a pattern from left to right. Each part gives the engine's text for it and its size."""

    def __init__(self, pattern: str, flags: str) -> None:
        self.text, self.at = _without_space(pattern) if "x" in flags else pattern, 0
        self.all, self.lines, self.blind = (flag in flags for flag in "smi")
        self.groups = 0
        self.closed: set[int] = set()

    def alternatives(self, depth: int) -> tuple[str, int]:
        if depth > MAX_DEPTH:
            raise LimitExceeded(f"a regular expression is nested deeper than {MAX_DEPTH}")
        branches, size = [], 0
        while True:
            text, more = self.branch(depth)
            branches.append(text)
            size += more
            if self._peek() != "|":
                return "|".join(branches), size
            self.at += 1

    def branch(self, depth: int) -> tuple[str, int]:
        parts, size = [], 1
        while (char := self._peek()) and char not in "|)":
            single = char != "("
            text, more = self.atom(depth)
            quantifier, count = self.quantifier()
            parts.append(f"(?:{text}){quantifier}" if quantifier else text)
            size += more + count // 100 if single else more * max(count, 1)
            size += _QUANTIFIED if quantifier else 0
            if size > MAX_SIZE:
                raise LimitExceeded("a regular expression repeats too much")
        return "".join(parts), size

    def atom(self, depth: int) -> tuple[str, int]:
        char = self._next()
        if char == "(":
            return self.group(depth)
        if char == "[":
            return self.bracket(depth), 1
        if char == "\\":
            return self.escape(), 1
        if char == ".":
            return (r"[\x00-\U0010FFFF]" if self.all else r"[^\n\r]"), 1
        if char == "^":
            return (r"(?:\A|(?<=\n)(?!\Z))" if self.lines else r"\A"), 1
        if char == "$":
            return (r"(?=\n|\Z)" if self.lines else r"\Z"), 1
        if char in "?*+{}]":
            raise PatternError(f"the pattern has a {char!r} in a wrong place; \\{char} stands for the character")
        return _escaped(char), 1

    def group(self, depth: int) -> tuple[str, int]:
        capturing = self._peek() != "?"
        if not capturing and self.text[self.at : self.at + 2] != "?:":
            raise PatternError("the pattern has a '(?' that is not '(?:'")
        number = 0
        if capturing:
            self.groups += 1
            number = self.groups
        else:
            self.at += 2
        text, size = self.alternatives(depth + 1)
        if self._peek() != ")":
            raise PatternError("the pattern has a '(' that is not closed")
        self.at += 1
        if capturing:
            self.closed.add(number)
        return (f"({text})" if capturing else f"(?:{text})"), size + 1

    def quantifier(self) -> tuple[str, int]:
        """The quantifier that comes next, and how often the engine will write out what it repeats."""
        char = self._peek()
        if not char or char not in "?*+{":
            return "", 0
        self.at += 1
        text, count = (char, 1) if char != "{" else self._counts()
        if self._peek() == "?":
            self.at += 1
            text += "?"
        return text, count

    def _counts(self) -> tuple[str, int]:
        end = self.text.find("}", self.at)
        inside = self.text[self.at : end] if end >= 0 else ""
        low, comma, high = inside.partition(",")
        if not _is_number(low) or (high and not _is_number(high)):
            raise PatternError("the pattern has a '{' that begins no quantifier")
        if max(len(low), len(high)) > 6 or max(int(low), int(high or 0)) > MAX_COUNT:
            raise LimitExceeded(f"a regular expression repeats something more than {MAX_COUNT} times")
        if high and int(low) > int(high):
            raise PatternError(f"the pattern has a quantifier {{{inside}}} from more to less")
        self.at = end + 1
        return f"{{{int(low)}{comma}{int(high) if high else ''}}}", max(int(low), int(high or 0))

    def escape(self) -> str:
        """What comes after a backslash, outside of brackets."""
        char = self._peek()
        if char in _DIGITS:
            return self._back_reference()
        inside = self._class_escape()
        if inside is not None:
            return f"(?-i:[{inside}])" if self.blind else f"[{inside}]"
        return _escaped(self._single_escape())

    def _back_reference(self) -> str:
        """A group that took no part matches the empty string."""
        number = int(self._next())
        while self._peek() in _DIGITS and number * 10 + int(self._peek()) in self.closed:
            number = number * 10 + int(self._next())
        if number not in self.closed:
            raise PatternError(f"the pattern refers to group {number}, which does not end before")
        return f"(?({number})\\{number}|)"

    def _class_escape(self) -> str | None:
        """A class of several characters, as it stands within brackets; None if the escape is of another kind."""
        char = self._peek()
        if char in _CLASSES and char:
            self.at += 1
            return _CLASSES[char]
        if not char or char not in "pP":
            return None
        end = self.text.find("}", self.at)
        name = self.text[self.at + 2 : end]
        if self.text[self.at + 1 : self.at + 2] != "{" or end < 0:
            raise PatternError(f"the pattern has a \\{char} without a category in braces")
        self.at = end + 1
        return f"\\{char}{{{_property(name)}}}"

    def _single_escape(self) -> str:
        char = self._next()
        if char not in _SINGLE:
            raise PatternError(f"the pattern has \\{char}, which is no escape")
        return _SINGLE[char]

    def bracket(self, depth: int) -> str:
        """A character class, after its opening bracket: one character of the set, less those of a subtracted class."""
        if depth > MAX_DEPTH:
            raise LimitExceeded(f"a regular expression is nested deeper than {MAX_DEPTH}")
        negated = self._peek() == "^"
        self.at += negated
        characters, properties, subtracted = self._members(depth)
        alternatives = [f"[{''.join(characters)}]"] if characters else []
        if properties:
            alternatives.append(f"(?-i:[{''.join(properties)}])")
        inside = alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
        if negated:
            inside = f"[^{''.join(characters)}]" if not properties else rf"(?!{inside})[\x00-\U0010FFFF]"
        return f"(?:(?!{subtracted}){inside})" if subtracted else f"(?:{inside})" if negated and properties else inside

    def _members(self, depth: int) -> tuple[list[str], list[str], str]:
        """The characters and ranges; the categories (apart, if letters are compared without case); the subtracted class."""
        characters: list[str] = []
        properties: list[str] = []
        first = True
        while True:
            char = self._next("the pattern has a '[' that is not closed")
            if char == "]" and not first:
                return characters, properties, ""
            if char == "-" and self._peek() == "[" and not first:
                self.at += 1
                subtracted = self.bracket(depth + 1)
                if self._next("the pattern has a '[' that is not closed") != "]":
                    raise PatternError("the pattern goes on after a subtracted class")
                return characters, properties, subtracted
            found = self._class_escape() if char == "\\" else None
            if found is not None:
                (properties if self.blind and "{" in found else characters).append(found)
            else:
                characters.append(self._range(char, first))
            first = False

    def _range(self, char: str, first: bool) -> str:
        low = self._member(char, first)
        if self._peek() != "-" or self.text[self.at + 1 : self.at + 2] in ("]", "[", ""):
            return _in_brackets(low)
        if char == "-":
            raise PatternError("the pattern has a range that begins with '-'")
        self.at += 1
        following = self._next()
        if following == "\\" and self._peek() in (*_CLASSES, "p", "P"):
            raise PatternError("the pattern has a range that ends with a class")
        high = self._member(following, first=False)
        if low > high:
            raise PatternError(f"the pattern has a range from {low!r} back to {high!r}")
        return f"{_in_brackets(low)}-{_in_brackets(high)}"

    def _member(self, char: str, first: bool) -> str:
        if char == "\\":
            return self._single_escape()
        if char in "[]":
            raise PatternError(f"the pattern has a {char!r} within brackets; \\{char} stands for the character")
        if char == "-" and not first and self._peek() not in ("]", "-"):
            raise PatternError("the pattern has a '-' between others within brackets; \\- stands for the character")
        return char

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _next(self, otherwise: str = "the pattern ends too early") -> str:
        if self.at >= len(self.text):
            raise PatternError(otherwise)
        self.at += 1
        return self.text[self.at - 1]


def _is_number(text: str) -> bool:
    return bool(text) and _DIGITS.issuperset(text)


def _in_brackets(char: str) -> str:
    return char if char.isalnum() else f"\\U{ord(char):08X}"


def _property(name: str) -> str:
    """A category, or a block after `Is`, as the engine names it."""
    if name in _CATEGORIES:
        return name
    block = name[2:] if name.startswith("Is") else ""
    if not block or not block.replace("-", "").isalnum() or not block.isascii():
        raise PatternError(f"the pattern names {name!r}, which is no category of characters")
    return "Block=" + _OLD_BLOCKS.get(block, block)
