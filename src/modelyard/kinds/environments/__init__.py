"""Environments of versions: built from their locks, kept by what is in them, shared by all processes of a machine.

`Environments.get` gives one that stays as long as it is held. Nothing of it is ours, and no code of it runs while it is built.
"""

from modelyard.kinds.environments.locks import python_of, requirements
from modelyard.kinds.environments.matching import lacking
from modelyard.kinds.environments.store import Environment, Environments, Progress

__all__ = ["Environment", "Environments", "Progress", "lacking", "python_of", "requirements"]
