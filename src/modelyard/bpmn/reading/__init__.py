"""Reading BPMN 2.0 files, and writing them with changes to what is Modelyard's own. `read` and `write` are what others
need."""

from modelyard.bpmn.reading.definitions import read

__all__ = ["read"]
