"""Why something is not trusted. Every refusal of this package is an `Untrusted` that names its reason by class and `code`.

Untrusted (core)
├── Malformed        not the form it claims: JSON, base64, unknown or doubled field, text of a note, size
├── UnknownKey       signed by a key that is no trust root here
├── WrongPurpose     the trust root may not sign this sort of document
├── WrongEndpoint    the trust root may not order anything of this endpoint
├── EarlyKey         the trust root is not valid yet
├── ExpiredKey       the trust root is not valid any more
├── RevokedKey       the trust root was revoked; nothing it ever signed counts
├── BadSignature     the trust root did not sign these bytes
├── WrongStatement   genuine, but a statement of another type, about another subject, or from the future
├── OlderEpoch       genuine, but superseded by a snapshot that was already seen
└── BadProof         a Merkle proof that does not lead to the signed root
"""

from __future__ import annotations

from modelyard.core.errors import Untrusted


class Malformed(Untrusted):
    code = "malformed"


class UnknownKey(Untrusted):
    code = "unknown_key"


class WrongPurpose(Untrusted):
    code = "wrong_purpose"


class WrongEndpoint(Untrusted):
    code = "wrong_endpoint"


class EarlyKey(Untrusted):
    code = "early_key"


class ExpiredKey(Untrusted):
    code = "expired_key"


class RevokedKey(Untrusted):
    code = "revoked_key"


class BadSignature(Untrusted):
    code = "bad_signature"


class WrongStatement(Untrusted):
    code = "wrong_statement"


class OlderEpoch(Untrusted):
    code = "older_epoch"


class BadProof(Untrusted):
    code = "bad_proof"
