"""Gates, versions and evidence for the tests of gates: as they are kept, without a platform around them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from modelyard.core.digests import digest
from modelyard.governance.assurance.model import Evidence, EvidenceType, Gate
from modelyard.governance.bootstrap import root_gates

START = datetime(2026, 1, 1, tzinfo=UTC)
MANIFEST = "sha256:" + "0" * 64
SHIPPED = {gate.name: gate.source for gate in root_gates()}


def examples_of(name: str) -> bytes:
    """The examples that are shipped beside a gate."""
    return (resources.files("modelyard.governance") / "gates" / f"{name.replace('-', '_')}.csv").read_bytes()


def gate_of(source: str, name: str = "production") -> Gate:
    return Gate(
        id="gate_1",
        created_at=START,
        name=name,
        number=1,
        to_stage=name,
        defined_by="idn_dana",
        source=source,
        source_digest=digest(source.encode()),
    )


def evidence_of(kind: str, number: int = 1, **given: Any) -> Evidence:
    """Evidence of a type; the number orders it."""
    fields: dict[str, Any] = {"produced_by": "system", "version": "ver_1", "manifest": MANIFEST} | given
    made = START + timedelta(minutes=number)
    return Evidence(id=f"evd_{number}", created_at=made, type=EvidenceType(kind), **fields)


def dmn_of(gate: str = "[]", approvals: str | None = None, extra: str = "") -> str:
    """A file with the decisions Gate and Approvals as FEEL."""
    approvals = approvals or '{roles: ["business_owner"], days to decide: 14, release days: 90}'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="tried" namespace="urn:tried" id="tried">
  <inputData id="tier" name="tier"><variable name="tier" typeRef="string"/></inputData>
  <inputData id="stage" name="stage"><variable name="stage" typeRef="string"/></inputData>
  <inputData id="evidence" name="evidence"><variable name="evidence" typeRef="Any"/></inputData>
  <inputData id="version" name="version"><variable name="version" typeRef="Any"/></inputData>
  <inputData id="at" name="at"><variable name="at" typeRef="Any"/></inputData>
  {extra}
  <decision id="gate" name="Gate"><variable name="Gate"/>
    <informationRequirement><requiredInput href="#tier"/></informationRequirement>
    <informationRequirement><requiredInput href="#stage"/></informationRequirement>
    <informationRequirement><requiredInput href="#evidence"/></informationRequirement>
    <informationRequirement><requiredInput href="#version"/></informationRequirement>
    <informationRequirement><requiredInput href="#at"/></informationRequirement>
    <literalExpression><text><![CDATA[{gate}]]></text></literalExpression>
  </decision>
  <decision id="approvals" name="Approvals"><variable name="Approvals"/>
    <informationRequirement><requiredInput href="#tier"/></informationRequirement>
    <literalExpression><text><![CDATA[{approvals}]]></text></literalExpression>
  </decision>
</definitions>"""


NEVER = '[{condition: "is there", passes: false, reason: "no", category: "test"}]'
"""A gate that lets nothing pass."""
