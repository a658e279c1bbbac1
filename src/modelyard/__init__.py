"""Modelyard: the whole governed life of every model that makes or informs a business decision."""

__version__ = "0.1.0"
