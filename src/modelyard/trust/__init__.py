"""Trust: what is signed, by whom, and how anyone can check it offline. Pure: bytes in, bytes out.

Releases and route snapshots are in-toto statements in DSSE envelopes; the audit log is an RFC 9162 Merkle tree with
signed checkpoints in C2SP form. All keys are Ed25519. Every failed check raises an `Untrusted` of `trust.errors`.
"""

from modelyard.trust.bundle import InclusionBundle, VerifiedRecord, verify_bundle
from modelyard.trust.checkpoint import (
    Checkpoint,
    VerifiedCheckpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
    verify_extension,
)
from modelyard.trust.dsse import Signed, VerifiedStatement, countersign, sign, statement_digest, verify
from modelyard.trust.keys import Ed25519Signer, PublicKey, Purpose, Signer, TrustRoot, TrustRoots
from modelyard.trust.merkle import (
    EMPTY_ROOT,
    CompactRange,
    MerkleTree,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from modelyard.trust.note import verifier_key
from modelyard.trust.orders import Overlaid, VerifiedOrder, overlaid, sign_order, verify_order
from modelyard.trust.releases import (
    Releases,
    VerifiedRelease,
    permits,
    sign_release,
    verify_release,
    verify_releases,
)
from modelyard.trust.routes import (
    AllowedArm,
    AllowedEndpoint,
    Refusal,
    RoutesCheck,
    VerifiedRoutes,
    check_routes,
    sign_routes,
    verify_routes,
)

__all__ = [
    "EMPTY_ROOT",
    "AllowedArm",
    "AllowedEndpoint",
    "Checkpoint",
    "CompactRange",
    "Ed25519Signer",
    "InclusionBundle",
    "MerkleTree",
    "Overlaid",
    "PublicKey",
    "Purpose",
    "Refusal",
    "Releases",
    "RoutesCheck",
    "Signed",
    "Signer",
    "TrustRoot",
    "TrustRoots",
    "VerifiedCheckpoint",
    "VerifiedOrder",
    "VerifiedRecord",
    "VerifiedRelease",
    "VerifiedRoutes",
    "VerifiedStatement",
    "check_routes",
    "countersign",
    "leaf_hash",
    "overlaid",
    "parse_checkpoint",
    "permits",
    "sign",
    "sign_checkpoint",
    "sign_order",
    "sign_release",
    "sign_routes",
    "statement_digest",
    "verifier_key",
    "verify",
    "verify_bundle",
    "verify_checkpoint",
    "verify_consistency",
    "verify_extension",
    "verify_inclusion",
    "verify_order",
    "verify_release",
    "verify_releases",
    "verify_routes",
]
