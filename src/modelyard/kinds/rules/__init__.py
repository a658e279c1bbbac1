"""Rules: decision models in DMN. `kind` is the entry point's object."""

from modelyard.kinds.rules.kind import RulesKind

kind = RulesKind()

__all__ = ["RulesKind", "kind"]
