"""What can be done about batches."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from modelyard.core.messages import Command

Column = Annotated[str, Field(min_length=1, max_length=200)]
Input = Annotated[str, Field(min_length=1, max_length=1000)]


class StartBatch(Command):
    """Score files with what an endpoint has released, in a worker.

    `inputs` are files, folders or patterns below the folders that the installation lends to batches, or digests of uploaded
    blobs; `blob_format` says what the blobs are. The answers go below such a folder as well, by default to one of the batch's
    own. `keep` are input columns to repeat (all when left out). Everything else is as in `modelyard score`."""

    action: ClassVar[str] = "delivery.start_batch"

    endpoint: str
    inputs: tuple[Input, ...] = Field(min_length=1, max_length=1000)
    blob_format: Literal["parquet", "csv", "arrow"] = "parquet"
    out: Input | None = None
    format: Literal["parquet", "delta"] = "parquet"
    keep: tuple[Column, ...] | None = Field(default=None, max_length=1000)
    arm: str | None = Field(default=None, max_length=100)
    shares: bool = False
    key: Column | None = None
    subject: Column | None = None
    invalid: Literal["fail", "skip", "fallback"] = "fail"
    log: float = Field(default=1.0, ge=0, le=1)
    log_inputs: Literal["values", "reference"] = "values"
    engine: Literal["local", "ray"] = "local"
    processes: int | None = Field(default=None, ge=1, le=256)
    longest: float = Field(default=86400.0, gt=0, le=30 * 86400)


class CancelBatch(Command):
    """Stop a batch. What it has answered and logged by then stays; asking for the same batch anew begins another one."""

    action: ClassVar[str] = "delivery.cancel_batch"

    batch: str


class RecordBatch(Command):
    """Note what became of a batch: that it runs, or how its job ended. Given by the platform itself."""

    action: ClassVar[str] = "delivery.record_batch"

    batch: str
    state: Literal["running", "done", "failed", "cancelled"]
    result: dict[str, Any] | None = None
    error: str | None = None
