"""What a child may use. It gives up everything else before it touches what was given to it (`modelyard.kinds.shim.confine`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Upper bounds of one child, in bytes and seconds.

    `memory_bytes` is address space, `file_bytes` the largest file that it may write, `disk_bytes` all that it may keep in its
    folder (looked at every second while it lives long). `cpu_seconds` of None means no bound, for children that live long;
    `wall_seconds` is then the time for one answer, and `idle_cpu_seconds` what it may burn while nobody asks it anything (a
    tenth of the time is free). `processes` of 0 refuses every further process; threads are bounded by memory. `network`
    grants sockets. `demand` refuses to run where the platform cannot enforce all of it.
    """

    model_config = ConfigDict(frozen=True)

    memory_bytes: int = Field(default=4 << 30, ge=64 << 20)
    cpu_seconds: int | None = Field(default=120, ge=1)
    wall_seconds: float = Field(default=180.0, gt=0)
    file_bytes: int = Field(default=4 << 30, ge=0)
    disk_bytes: int = Field(default=8 << 30, ge=0)
    open_files: int = Field(default=256, ge=32)
    processes: int = Field(default=0, ge=0)
    idle_cpu_seconds: float = Field(default=30.0, gt=0)
    network: bool = False
    demand: bool = False


SERVING = Limits(cpu_seconds=None, wall_seconds=60.0, disk_bytes=2 << 30)
"""The limits of a model that is kept loaded."""
