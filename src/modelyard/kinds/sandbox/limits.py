"""What a child may use. The child sets its own limits before it touches anything that was given to it."""

from __future__ import annotations

import resource

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Upper bounds of one child. `memory_bytes` is address space, `file_bytes` the largest file that it may write.

    `cpu_seconds` of None means no bound, for children that live long; `wall_seconds` is then the time for one answer.
    """

    model_config = ConfigDict(frozen=True)

    memory_bytes: int = Field(default=4 << 30, ge=64 << 20)
    cpu_seconds: int | None = Field(default=120, ge=1)
    wall_seconds: float = Field(default=180.0, gt=0)
    file_bytes: int = Field(default=4 << 30, ge=0)
    open_files: int = Field(default=256, ge=32)

    def apply(self) -> None:
        """Set the limits on this process; they cannot be raised again. No core dump is ever written."""
        _set(resource.RLIMIT_CORE, 0)
        _set(resource.RLIMIT_AS, self.memory_bytes)
        _set(resource.RLIMIT_FSIZE, self.file_bytes)
        _set(resource.RLIMIT_NOFILE, self.open_files)
        if self.cpu_seconds is not None:
            _set(resource.RLIMIT_CPU, self.cpu_seconds, margin=1)


def _set(which: int, value: int, margin: int = 0) -> None:
    """Both soft and hard limit, never above what this process already has; `margin` is what the hard one has more."""
    _, hard = resource.getrlimit(which)
    most = value + margin if hard == resource.RLIM_INFINITY else min(value + margin, hard)
    resource.setrlimit(which, (min(value, most), most))
