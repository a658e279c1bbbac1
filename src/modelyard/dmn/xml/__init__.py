"""Reading DMN files of the versions 1.1 to 1.5 (DMN 1.5, chapter 12: exchange formats). `read` is all that others need."""

from modelyard.dmn.xml.definitions import read

__all__ = ["read"]
