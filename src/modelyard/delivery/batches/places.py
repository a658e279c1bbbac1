"""Which files of the server a batch may read and where it may write: never any path that somebody sends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.digests import DIGEST
from modelyard.core.errors import Forbidden, InvalidInput

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Places:
    """`home` is the folder that relative paths are below; `roots` are other folders, or prefixes of buckets (`s3://data/in/`)."""

    home: Path
    roots: tuple[str, ...] = ()

    def input(self, text: str) -> str:
        """A path or pattern of the input as the data plane is told it; digests of blobs stay what they are. Raises Forbidden."""
        if DIGEST.match(text):
            return text
        if "://" in text:
            return self._in_bucket(text)
        return str(self._local(text, "inputs"))

    def output(self, text: str | None, batch: str) -> str:
        """The folder of the answers; without one, that of the batch. Raises Forbidden."""
        if text is None:
            return str(self.folder(batch) / "out")
        if "://" in text:
            raise InvalidInput("answers are written to a folder", field="out", hint="a path below one of the lent folders")
        return str(self._local(text, "out"))

    def folder(self, batch: str) -> Path:
        """The folder of a batch itself."""
        return self.home / batch

    def _local(self, text: str, field: str) -> Path:
        """The path, links followed, when it is below a lent folder. A pattern is judged by what comes before its first `*`."""
        if "\0" in text or ".." in Path(text).parts:
            raise Forbidden(f"{text!r:.200} is no plain path", hint="no `..`")
        path = self.home / text
        steps = path.parts
        fixed = next((place for place, step in enumerate(steps) if _MAGIC.search(step)), len(steps))
        real = Path(*steps[:fixed]).resolve()
        for root in (self.home, *(Path(root) for root in self.roots if "://" not in root)):
            if real.is_relative_to(root.resolve()):
                return real.joinpath(*steps[fixed:])
        raise Forbidden(
            f"{text!r:.200} is not below a folder that is lent to batches",
            field=field,
            hint=f"put it below {self.home}, or have its folder named in MODELYARD_BATCH_ROOTS",
        )

    def _in_bucket(self, text: str) -> str:
        if ".." not in text and any("://" in root and text.startswith(root.rstrip("/") + "/") for root in self.roots):
            return text
        raise Forbidden(
            f"{text!r:.200} is not below a prefix that is lent to batches", field="inputs", hint="see MODELYARD_BATCH_ROOTS"
        )
