"""The inventory record of a version fills itself as the version goes through its life."""

from __future__ import annotations

from modelyard.catalog.inventory import inventory
from modelyard.catalog.model import Source
from tests.life.conftest import VERA, House


def test_fields_are_derived_from_what_happened_and_say_from_what(house: House) -> None:
    from modelyard.governance.assurance.commands import RecordEvidence
    from modelyard.governance.assurance.model import EvidenceType

    house.use_case()
    version = house.version()
    with house.platform.storage.reading() as tx:
        before = inventory(tx, version.id, house.platform.contributors)
    assert {"assurance.metrics", "governance.approvals", "operation.rollback_target"} <= set(before.missing())

    house.do(VERA, RecordEvidence(version=version.id, type=EvidenceType.VALIDATION, summary="challenged and found sound"))
    house.serving_of(version)
    with house.platform.storage.reading() as tx:
        record = inventory(tx, version.id, house.platform.contributors)
    metrics = record.sections["assurance"]["metrics"]
    assert metrics is not None
    assert metrics.value["roc_auc"] == 0.8
    assert metrics.source is Source.DERIVED
    assert metrics.from_.startswith("test_report evd_")
    told = {f"{section}.{name}": field for section, fields in record.sections.items() for name, field in fields.items() if field}
    assert told["people.validator"].value == VERA.id
    assert told["people.approvers"].value == ["idn_bea"]
    assert told["governance.approvals"].value[0]["status"] == "approved"
    assert told["dependencies.downstream_consumers"].value == [
        {"endpoint": "credit", "arms": [{"role": "champion", "share": 1.0}]}
    ]
