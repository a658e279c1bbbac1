"""The built-in functions of FEEL (DMN 1.5, 10.3.4)."""

from modelyard.dmn.feel.builtins.registry import FUNCTIONS

__all__ = ["FUNCTIONS"]
