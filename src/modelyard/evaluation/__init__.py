"""Evaluation: how a version gets in, how good it is, and how a challenger compares with the champion."""

from modelyard.evaluation.events import EVENTS
from modelyard.evaluation.service import JOB_KIND, handlings

__all__ = ["EVENTS", "JOB_KIND", "handlings"]
