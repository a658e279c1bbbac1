"""Policies as files: what people review and keep in version control."""

from __future__ import annotations

from pathlib import Path

from modelyard.core.errors import InvalidInput, NotFound, TooLarge
from modelyard.core.records import Transaction
from modelyard.governance.policy.authorizer import policies_in_force
from modelyard.governance.policy.cedar import schema_text
from modelyard.governance.policy.commands import ProposePolicies
from modelyard.governance.policy.model import GREATEST_TEXT


def read_policies(path: Path, note: str = "") -> ProposePolicies:
    """The proposal that a `.cedar` file, or all those in a folder in the order of their names, amount to."""
    if not path.exists():
        raise NotFound(f"there is no {path}", field="path")
    sources = sorted(path.glob("*.cedar")) if path.is_dir() else [path]
    if not sources:
        raise InvalidInput(f"{path} holds no .cedar files", field="path")
    if sum(source.stat().st_size for source in sources) > GREATEST_TEXT:
        raise TooLarge(f"the policies have more than {GREATEST_TEXT} bytes", field="path")
    return ProposePolicies(text="\n".join(_text(source) for source in sources), note=note)


def write_policies(tx: Transaction, folder: Path) -> list[Path]:
    """Write the policies in force and the schema they are checked against; says which files."""
    folder.mkdir(parents=True, exist_ok=True)
    policies, schema = folder / "policies.cedar", folder / "schema.cedarschema"
    policies.write_text(policies_in_force(tx).text, encoding="utf-8")
    schema.write_text(schema_text(), encoding="utf-8")
    return [policies, schema]


def _text(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{source.name} is not UTF-8 text", field="path") from error
