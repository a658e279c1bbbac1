"""Who may do what, by Cedar policies that are themselves versioned records."""

from modelyard.governance.policy.authorizer import CedarAuthorizer, policies_in_force
from modelyard.governance.policy.cedar import Answer, Policies, Question, default_text, known_actions, policies_of, schema_text
from modelyard.governance.policy.events import EVENTS
from modelyard.governance.policy.files import read_policies, write_policies
from modelyard.governance.policy.model import POLICY_SETS, TABLES, PolicySet, PolicyState
from modelyard.governance.policy.service import handlings

__all__ = [
    "EVENTS",
    "POLICY_SETS",
    "TABLES",
    "Answer",
    "CedarAuthorizer",
    "Policies",
    "PolicySet",
    "PolicyState",
    "Question",
    "default_text",
    "handlings",
    "known_actions",
    "policies_in_force",
    "policies_of",
    "read_policies",
    "schema_text",
    "write_policies",
]
