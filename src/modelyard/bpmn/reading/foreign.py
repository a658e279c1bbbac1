"""Expressions of other languages that are so plain that they mean the same in FEEL: comparisons of variables, joined by
and, or, not.

    in_feel("${clarified == 'yes'}", None)                                                    # clarified = "yes"
    in_feel("not(bpmn:getDataObject('approved'))", "http://www.w3.org/1999/XPath")            # not(approved)

Read are JUEL, the language of Camunda 7 and Activiti, known by its `${…}`, and XPath 1.0, BPMN's own default (10.4.3)."""

from __future__ import annotations

import re

_FEEL = re.compile(r"(https?://www\.omg\.org/spec/(FEEL|DMN)/.*)|(text/|application/)?(x-)?feel", re.I)
_JUEL = re.compile(r"[$#]\{([^{}]*)\}", re.S)

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<object>(?:\w+:)?getData(?:Object|Input|Output)\(\s*(?:'(?P<one>[^'"]*)'|"(?P<two>[^'"]*)")\s*\))
    | (?P<text>'[^'"\\]*'|"[^'"\\]*")
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<bool>(?:true|false)\(\))
    | (?P<name>\$?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    | (?P<symbol>==|!=|<=|>=|&&|\|\||[-+*=<>!()])
    )""",
    re.X,
)
_JUEL_WORDS = {
    "==": "=", "eq": "=", "!=": "!=", "ne": "!=", "<": "<", "lt": "<", ">": ">", "gt": ">", "<=": "<=", "le": "<=", ">=": ">=",
    "ge": ">=", "&&": "and", "and": "and", "||": "or", "or": "or", "!": "not", "not": "not", "+": "+", "-": "-", "*": "*",
    "(": "(", ")": ")", "true": "true", "false": "false", "null": "null",
}  # fmt: skip
_XPATH_WORDS = {
    "=": "=", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "and": "and", "or": "or", "not": "not", "+": "+", "-": "-",
    "*": "*", "(": "(", ")": ")", "true": "true", "false": "false",
}  # fmt: skip
_WORDS = "empty div mod instanceof if then else for some every in between return satisfies"
_REFUSED = frozenset(_WORDS.split())
"""Words that are operators in one of the languages, or keywords in FEEL and names in the other."""

_PLAIN, _DENIALS = 2_000, 50
"""Longer texts, and those with more negations, which are rewritten one inside of the other, are not plain."""
_BEFORE_BRACKET = frozenset(("and", "or", "not", "(", "=", "!=", "<", ">", "<=", ">=", "+", "-", "*"))
"""Anything else before a bracket is a function that is called."""


def is_feel(language: str | None, written: str) -> bool:
    """Whether an expression is FEEL: it says so, or says nothing and does not begin as others' do and no FEEL can."""
    if language:
        return _FEEL.fullmatch(language.strip()) is not None
    return not written.lstrip().startswith(("${", "#{"))


def in_feel(written: str, language: str | None) -> str | None:
    """The same in FEEL; None for what is not that plain."""
    if len(written) > _PLAIN:
        return None
    juel = _JUEL.fullmatch(written.strip())
    if juel is not None:
        return _rewritten(juel[1], _JUEL_WORDS)
    if language is not None and "xpath" in language.lower():
        return _rewritten(written, _XPATH_WORDS)
    return None


def _rewritten(written: str, words: dict[str, str]) -> str | None:
    parts: list[str] = []
    at, written = 0, written.strip()
    while at < len(written):
        found = _TOKEN.match(written, at)
        part = _part(found, words) if found else None
        if found is None or part is None or (part == "(" and parts and parts[-1] not in _BEFORE_BRACKET):
            return None
        parts.append(part)
        at = found.end()
    return _joined(parts) if parts and parts.count("not") <= _DENIALS else None


def _part(found: re.Match[str], words: dict[str, str]) -> str | None:
    if found["object"]:
        return found["one"] or found["two"]
    if found["text"]:
        return f'"{found["text"][1:-1]}"'
    if found["bool"]:
        return found["bool"][:-2]
    if found["number"]:
        return found["number"]
    word = found["name"] or found["symbol"]
    if word in words:
        return words[word]
    return word.removeprefix("$") if found["name"] and word not in _REFUSED else None


def _joined(parts: list[str]) -> str | None:
    """FEEL has `not` as a function: what it denies, one operand or a bracket, is put in brackets."""
    made: list[str] = []
    at = 0
    while at < len(parts):
        if parts[at] != "not":
            made.append(parts[at])
            at += 1
            continue
        end = _operand(parts, at + 1)
        inner = _joined(parts[at + 1 : end]) if end else None
        if not end or inner is None:
            return None
        made.append(f"not{inner}" if parts[at + 1] == "(" else f"not({inner})")
        at = end
    return " ".join(made).replace("( ", "(").replace(" )", ")")


def _operand(parts: list[str], at: int) -> int | None:
    """Where the operand that begins at `at` ends."""
    while at < len(parts) and parts[at] == "not":
        at += 1
    if at >= len(parts):
        return None
    if parts[at] != "(":
        return at + 1 if parts[at][0].isalnum() or parts[at][0] in '_"' else None
    depth = 0
    for place in range(at, len(parts)):
        depth += (parts[place] == "(") - (parts[place] == ")")
        if depth == 0:
            return place + 1
    return None
