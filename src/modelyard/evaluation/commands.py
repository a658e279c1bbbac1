"""What can be done to find out how good a version is."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from modelyard.core.digests import DIGEST
from modelyard.core.messages import Command
from modelyard.evaluation.measuring import Bound


class RunChecks(Command):
    """Test a version in a worker: the kind's own checks on the sample, and measures on test data where there is any.

    `test` is the digest of a blob of rows with the true outcomes in the column `label`; `bounds` are what
    measures on it must keep. The results become evidence."""

    action: ClassVar[str] = "evaluation.run_checks"

    version: str
    test: str | None = Field(default=None, pattern=DIGEST.pattern)
    label: str | None = Field(default=None, max_length=200)
    bounds: tuple[Bound, ...] = Field(default=(), max_length=200)


class RecordComparison(Command):
    """Compare a challenger with the champion on the decisions of a window and keep the result as evidence about the
    challenger."""

    action: ClassVar[str] = "evaluation.record_comparison"

    version: str
    champion: str
    endpoint: str
    since: AwareDatetime
    until: AwareDatetime
    metrics: dict[str, float] = Field(min_length=1, max_length=200)
    sentence: str = Field(default="", max_length=2000)
