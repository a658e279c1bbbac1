"""What a batch is made of: the order, the parts of its input, the plan that is kept beside the output, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from modelyard.core.digests import digest
from modelyard.core.errors import Forbidden, InvalidInput

WORK = "_modelyard"
REJECTS = "_rejects"
MOST_PARTS = 1 << 20
SLICE = 1 << 17
"""Rows that are answered and logged at once."""
_BATCH = "bat_"


class Invalid(StrEnum):
    """What becomes of rows that do not fit the signature: the batch ends, they are left out, or the constant answers."""

    FAIL = "fail"
    SKIP = "skip"
    FALLBACK = "fallback"


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for. The same order finds the batch that it began and goes on with it.

    `inputs` are files, folders or patterns; `out` is a folder. `keep` are input columns to repeat in the output (None: all). The
    champion answers unless `arm` names another live arm or `shares` draws an arm for each row, by the column `key` where there
    is one. `log` is the share of decisions that is logged; less than 1 is for the lowest tier alone. `log_inputs` says whether
    the log repeats the inputs or names file and row. Neighbouring row groups make one part up to `part_rows`
    (and to 64 MiB).
    """

    endpoint: str
    inputs: tuple[str, ...]
    out: str
    format: Literal["parquet", "delta"] = "parquet"
    keep: tuple[str, ...] | None = None
    arm: str | None = None
    shares: bool = False
    key: str | None = None
    subject: str | None = None
    invalid: Invalid = Invalid.FAIL
    log: float = 1.0
    log_inputs: Literal["values", "reference"] = "values"
    part_rows: int = 1 << 18

    @property
    def digest(self) -> str:
        return digest(msgspec.json.encode(self, order="sorted"))

    def check(self) -> None:
        """Raises InvalidInput for what can be seen without looking at anything else."""
        if not self.inputs:
            raise InvalidInput("there is no input", field="inputs", hint="name a file, a folder or a pattern")
        if self.arm is not None and self.shares:
            raise InvalidInput("an arm and a draw by shares exclude each other", field="arm")
        if not 0 <= self.log <= 1:
            raise InvalidInput(f"{self.log:g} is no share of decisions", field="log", hint="0 to 1")
        if self.part_rows < 1:
            raise InvalidInput("a part has at least one row", field="part_rows")


class Lent(msgspec.Struct, frozen=True, kw_only=True):
    """The folders whose files a batch may read, links followed. Below `batches` each batch has a folder of its own, of which this
    one reads `own` alone."""

    folders: tuple[Path, ...]
    batches: Path
    own: str

    def real(self, path: Path) -> Path:
        """Where the file is, links followed. Raises Forbidden for one that is not lent."""
        real, apart = path.resolve(), self.batches.resolve()
        if any(real.is_relative_to(folder.resolve()) for folder in self.folders):
            steps = real.relative_to(apart).parts if real.is_relative_to(apart) else ()
            if not steps or not steps[0].startswith(_BATCH) or steps[0] == self.own:
                return real
        raise Forbidden(f"{path.name!r:.100} leads to a file that is not lent to this batch", field="inputs")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a batch runs. `source` is the control plane's address or a folder that it publishes to; `home` holds the cache of
    artifacts and the keys for pseudonyms and protected fields; `log` is the folder of the decision log. `lent` bounds what is
    read, where somebody else asks for the batch."""

    home: Path
    source: str
    trust_roots: Path
    log: Path
    token_file: Path | None = None
    token: str | None = None
    policy_file: Path | None = None
    pseudonym_key_file: Path | None = None
    data_key_file: Path | None = None
    lent: Lent | None = None


class Part(msgspec.Struct, frozen=True):
    """A piece of the input. `first` and `last` are row groups, record batches or bytes, as the format has it (`last` is not in
    it); `row` is the number of its first row in the file; `rows` is None where only reading tells. `weight` is its size in
    bytes, to tell how far the batch is."""

    number: int
    file: int
    first: int
    last: int
    row: int
    rows: int | None
    weight: int


class InputFile(msgspec.Struct, frozen=True):
    """A file of the input. `fingerprint` is the SHA-256 of its size and of its first and last 64 KiB."""

    path: str
    format: str
    size: int
    fingerprint: str
    version: int | None = None


class Pin(msgspec.Struct, frozen=True):
    """A version that answers in this batch from its first to its last row, by the statements that let it."""

    name: str
    role: str
    share: float
    version: str
    manifest: str
    release: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided when the batch began. `started` is ISO 8601."""

    id: str
    started: str
    order: Order
    epoch: int
    snapshot: str
    use_case: str
    tier: str
    pins: tuple[Pin, ...]
    files: tuple[InputFile, ...]
    parts: tuple[Part, ...]

    @property
    def folder(self) -> Path:
        """Where the batch keeps its state."""
        return Path(self.order.out) / WORK / self.id

    @property
    def fingerprint(self) -> str:
        """The identity of the whole input."""
        return digest(msgspec.json.encode([(f.path, f.fingerprint, f.version) for f in self.files]))


class PartReport(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """What came of a part; its answers are durable. `arms` counts rows by arm, the constant's under an empty name."""

    number: int
    read: int
    answered: int
    rejected: int
    logged: int
    arms: dict[str, int]
    seconds: float
    size: int


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far it is. `share` is by bytes of input; `rows` are those read so far, `total` None where only reading tells."""

    batch: str
    parts: int
    of: int
    share: float
    rows: int
    total: int | None
    rejected: int
    seconds: float
    here: int


class Result(msgspec.Struct, frozen=True, kw_only=True, tag="result"):
    """The end of a batch, and its lineage. `resumed` counts parts that an earlier run had done."""

    batch: str
    endpoint: str
    use_case: str
    epoch: int
    snapshot: str
    arms: tuple[Pin, ...]
    input: str
    files: int
    parts: int
    resumed: int
    read: int
    answered: int
    rejected: int
    logged: int
    by_arm: dict[str, int]
    out: str
    format: str
    seconds: float

    def lineage(self) -> dict[str, Any]:
        """The result as plain values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
