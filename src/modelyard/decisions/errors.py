"""What can go wrong with the log itself.

Unavailable
├── StorageFull     507  (core) the disk takes no more
├── LogUnwritable   503  the log's folder is read-only, not ours or not there
└── LogDamaged      503  a segment that was durable no longer reads back as written
"""

from __future__ import annotations

import errno
from pathlib import Path

from modelyard.core.errors import ModelyardError, StorageFull, Unavailable


class LogUnwritable(Unavailable):
    code = "log_unwritable"


class LogDamaged(Unavailable):
    code = "log_damaged"


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def storage_error(error: OSError, path: Path) -> ModelyardError:
    """The family's word for what the operating system said about a path."""
    if error.errno in _FULL:
        return StorageFull(f"no room to write {path.name}: {error.strerror}", hint=f"free space in {path.parent} or move the log")
    return LogUnwritable(f"cannot write {path.name}: {error.strerror or error}", hint=f"check that {path.parent} is writable")
