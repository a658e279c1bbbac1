"""How deep the tree of an expression may be."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.feel.syntax import Node

TREE_DEPTH = 1_000
"""Whoever walks a tree with recursion needs room for this. Chains like 1 + 1 + … are deep on the left."""


def check_depth(root: Node) -> None:
    """Refuse a tree deeper than TREE_DEPTH, without recursion."""
    stack: list[tuple[object, int]] = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, tuple):
            stack.extend((inner, depth) for inner in node)
        elif isinstance(node, Node):
            if depth > TREE_DEPTH:
                raise LimitExceeded(f"the expression's operators and brackets go deeper than {TREE_DEPTH}")
            kind: Any = type(node)
            stack.extend((getattr(node, name), depth + 1) for name in _inner(kind))


@cache
def _inner(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name != "at")
