"""The small pieces of FEEL's text: white space, operators, numbers and strings (DMN 1.5, 10.3.1.2)."""

from __future__ import annotations

import re

from modelyard.dmn.feel.names import BLANK, PART, START, SYMBOLS

_SKIPPED = f"(?>[{BLANK}]+|//[^\\n\\r]*+|/\\*(?>[^*]+|\\*(?!/))*+\\*/)*+"
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
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def unescape(raw: str) -> str:
    """The characters of a string's inside. A backslash that starts no escape sequence stands for itself.

    Raises ValueError for a code point that is no character."""
    return _PAIR.sub(_join, _ESCAPE.sub(_character, raw))


def _character(found: re.Match[str]) -> str:
    short, long, plain = found.groups()
    return _PLAIN.get(plain, plain) if plain else chr(int(short or long, 16))


def _join(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")
