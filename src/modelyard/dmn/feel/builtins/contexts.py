"""Context functions (DMN 1.5, 10.3.4.10). Contexts are never changed: each result is a new one."""

from __future__ import annotations

from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.semantics import shown
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Run

Context = dict[str, Value]


@builtin("m: context, key: string")
def get_value(run: Run, m: Context, key: str) -> Value:
    """Null, silently, when there is no such entry."""
    return m.get(key)


@builtin("m: context")
def get_entries(run: Run, m: Context) -> list[Context]:
    run.size(len(m))
    return [{"key": key, "value": value} for key, value in m.items()]


@builtin("entries: list")
def context(run: Run, entries: list[Value]) -> Value:
    """Of `{key, value}` contexts, what else they have ignored; null if one lacks either, or if two have the same key."""
    run.size(len(entries))
    made: Context = {}
    for entry in entries:
        if type(entry) is not dict or type(entry.get("key")) is not str or "value" not in entry:
            return run.null(f"context() wants contexts with a string 'key' and a 'value', not {shown(entry)}")
        if entry["key"] in made:
            return run.null(f"context() got two entries with the key {shown(entry['key'])}")
        made[entry["key"]] = entry["value"]
    return made


@builtin("context: context, key: string, value: any?")
def context_put(run: Run, context_: Context, key: str, value: Value) -> Context:
    run.size(len(context_) + 1)
    return {**context_, key: value}


@builtin("context: context, keys: list, value: any?", name="context put")
def context_put_deep(run: Run, context_: Context, keys: list[Value], value: Value) -> Value:
    """`keys` lead to an entry of nested contexts, all but the last to one that there is."""
    if not keys or not all(type(key) is str for key in keys):
        return run.null(f"context put() wants at least one key, all strings, not {shown(keys)}")
    path = [context_]
    for key in keys[:-1]:
        inner = path[-1].get(key)
        if type(inner) is not dict:
            return run.null(f"context put(): {shown(key)} leads to {shown(inner)}, not to a context")
        path.append(inner)
    made = value
    for outer, key in zip(reversed(path), reversed(keys), strict=True):
        run.size(len(outer) + 1)
        made = {**outer, key: made}
    return made


@builtin("contexts: list")
def context_merge(run: Run, contexts: list[Value]) -> Value:
    """Later entries override earlier ones, in the place of the first."""
    made: Context = {}
    for part in contexts:
        if type(part) is not dict:
            return run.null(f"context merge() wants a list of contexts, not {shown(part)} in it")
        run.size(len(part))
        made.update(part)
    return made
