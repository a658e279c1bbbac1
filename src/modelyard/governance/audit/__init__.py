"""The audit log: places and checkpoints for audit records, proof for one of them, verification of all."""

from modelyard.governance.audit.live import verify_records
from modelyard.governance.audit.log import Sequencer
from modelyard.governance.audit.model import AUDIT_HEAD, AUDIT_LEAVES, TABLES, Leaf, TreeHead
from modelyard.governance.audit.ports import CheckpointSink, CheckpointSource, Lease, LogEntry
from modelyard.governance.audit.proofs import check_bundle, prove
from modelyard.governance.audit.report import Finding, Report, Tampering
from modelyard.governance.audit.verification import verify

__all__ = [
    "AUDIT_HEAD",
    "AUDIT_LEAVES",
    "TABLES",
    "CheckpointSink",
    "CheckpointSource",
    "Finding",
    "Leaf",
    "Lease",
    "LogEntry",
    "Report",
    "Sequencer",
    "Tampering",
    "TreeHead",
    "check_bundle",
    "prove",
    "verify",
    "verify_records",
]
