"""Reading BPMN 2.0 files, and writing them with changes to what is Modelyard's own. What others need is listed here."""

from modelyard.bpmn.reading.definitions import read
from modelyard.bpmn.reading.writing import Change, SetAttribute, SetElements, write

__all__ = ["Change", "SetAttribute", "SetElements", "read", "write"]
