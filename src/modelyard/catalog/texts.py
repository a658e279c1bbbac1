"""The forms of names, texts and labels that people write into the catalog."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from modelyard.core.digests import DIGEST

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
ID = r"^(uc|mdl|ver)_[0-9a-f]{6,}$"
"""The form of the catalog's own ids; names may not look like one, so that a reference has one meaning."""


def _not_an_id(name: str) -> str:
    import re

    if re.match(ID, name):
        raise ValueError("a name may not look like an id")
    return name


def _no_control_characters(text: str) -> str:
    if any(ord(c) < 32 and c not in "\n\t" for c in text):
        raise ValueError("text may not hold control characters")
    return text


def _unrepeated(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted(v for v, times in Counter(values).items() if times > 1)
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return values


Name = Annotated[str, StringConstraints(pattern=NAME), AfterValidator(_not_an_id)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_no_control_characters)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000), AfterValidator(_no_control_characters)]
Lines = Annotated[tuple[Line, ...], Field(max_length=200)]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/=-]{0,99}$")]
Tags = Annotated[tuple[Tag, ...], Field(max_length=50), AfterValidator(_unrepeated)]
Digest = Annotated[str, Field(pattern=DIGEST.pattern)]
