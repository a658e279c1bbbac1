"""The decision log: what was asked, what was answered and by whom, and later what came of it.

    with DecisionLog(root, writer="runtime-8081") as log:
        log.append(Rows(2, {"id": ids.mint(2), "inputs": [...], "output": [...]}, {"endpoint": "hold", ...}))
    reader = DecisionReader(root)
    table = join(reader.scan(Window(endpoint="hold", since=monday)), OutcomeReader(outcomes).scan())

An append is durable when it returns. Readers see whole batches or none of them, of every writer, sealed or not.
"""

from modelyard.decisions.backfill import Backfill, Backfilled, backfill_id
from modelyard.decisions.compaction import Compacted, Compactor, Keeping
from modelyard.decisions.errors import LogDamaged, LogUnwritable
from modelyard.decisions.fields import fields
from modelyard.decisions.files import exclusive, try_lock, write_atomically
from modelyard.decisions.joining import LateOutcomes, joined, late_outcomes
from modelyard.decisions.journal import Limits
from modelyard.decisions.keeping import Erased, Erasures, Expired, Hold, Keeper
from modelyard.decisions.log import DecisionLog
from modelyard.decisions.minting import DecisionIds
from modelyard.decisions.objects import ArrayColumn, ColumnObjects, Objects, json_lines
from modelyard.decisions.outcomes import Outcome, OutcomeLog, OutcomeReader, Receipt, join
from modelyard.decisions.pseudonyms import Pseudonyms
from modelyard.decisions.reader import DecisionReader, Time, Window
from modelyard.decisions.schema import DECISIONS, OUTCOMES, SCHEMA_VERSION, Rows, Stamp, require_time
from modelyard.decisions.tables import Mark

__all__ = [
    "DECISIONS",
    "OUTCOMES",
    "SCHEMA_VERSION",
    "ArrayColumn",
    "Backfill",
    "Backfilled",
    "ColumnObjects",
    "Compacted",
    "Compactor",
    "DecisionIds",
    "DecisionLog",
    "DecisionReader",
    "Erased",
    "Erasures",
    "Expired",
    "Hold",
    "Keeper",
    "Keeping",
    "LateOutcomes",
    "Limits",
    "LogDamaged",
    "LogUnwritable",
    "Mark",
    "Objects",
    "Outcome",
    "OutcomeLog",
    "OutcomeReader",
    "Pseudonyms",
    "Receipt",
    "Rows",
    "Stamp",
    "Time",
    "Window",
    "backfill_id",
    "exclusive",
    "fields",
    "join",
    "joined",
    "json_lines",
    "late_outcomes",
    "require_time",
    "try_lock",
    "write_atomically",
]
