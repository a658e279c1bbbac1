"""The kind `rules` passes the suite that every kind has to pass: a file, a zip with an import and examples, a folder."""

from pathlib import Path

import numpy as np
import pytest
from kinds_rules_models import (
    ELIGIBILITY,
    ELIGIBLE_SAMPLE,
    EXAMPLES,
    FEES,
    FEES_SAMPLE,
    IMPORTING,
    LIBRARY,
    OFFER,
    OFFER_SAMPLE,
    bundle,
    definitions,
    file,
    good,
    input_data,
    table,
    texts,
)

from modelyard.kinds.compliance import Good, KindCompliance
from modelyard.kinds.rules import kind


class TestRules(KindCompliance):
    kind = kind

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def good(self) -> list[Good]:
        eligible = {"Eligibility": texts("ELIGIBLE", "ELIGIBLE", "REFER", "REFUSED", "REFER")}
        offer = {
            "Offer.rate": np.array([0.05, 0.03, 0.04]),
            "Offer.gift": np.array([False, True, False]),
            "Offer.label": texts("small", "new year", "large"),
        }
        folder = self.folder / "folder"
        folder.mkdir(exist_ok=True)
        file(folder / "fees.dmn", FEES)
        together = {"loan.dmn": ELIGIBILITY, "examples/loan.csv": EXAMPLES, "read me.txt": "words"}
        imports = {"a/library.dmn": LIBRARY, "importing.dmn": IMPORTING}
        return [
            good(file(self.folder / "loan.dmn", ELIGIBILITY), ELIGIBLE_SAMPLE, eligible),
            good(bundle(self.folder / "loan.zip", together), ELIGIBLE_SAMPLE, eligible),
            good(file(self.folder / "offer.dmn", OFFER), OFFER_SAMPLE, offer),
            good(folder, FEES_SAMPLE, {"Fees": np.array([6.0, 13.0, 1.0])}),
            good(
                bundle(self.folder / "imports.zip", imports), {"Amount": np.array([1.5, 2.0])}, {"Double": np.array([3.0, 4.0])}
            ),
        ]

    def corrupt(self) -> list[Path]:
        broken = table("D", {"Age": "number"}, [("< ", '"x"')], {"D": "string"}, requires=("Age",))
        nowhere = table("D", {"Age": "number"}, [("-", '"x"')], {"D": "string"}, requires=("Age",))
        circle = table("D", {"D": "number"}, [("-", '"x"')], {"D": "string"}, requires=("#E",)) + table(
            "E", {"D": "number"}, [("-", '"x"')], {"E": "string"}, requires=("#D",)
        )
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + definitions("Bomb", input_data("Age", "number"))
        contents = {
            "text": "hello, I am no model at all\n" * 10,
            "pmml.xml": '<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"/>',
            "half.dmn": ELIGIBILITY[: len(ELIGIBILITY) // 2],
            "syntax.dmn": definitions("Broken", input_data("Age", "number") + broken),
            "nowhere.dmn": definitions("Nowhere", nowhere),
            "circle.dmn": definitions("Circle", circle),
            "bomb.dmn": bomb,
            "nothing.dmn": definitions("Nothing", input_data("Age", "number")),
            "alone.dmn": IMPORTING,
        }
        paths = [file(self.folder / f"bad-{name}", text) for name, text in contents.items()]
        outside = bundle(self.folder / "outside.zip", {"../loan.dmn": ELIGIBILITY})
        (linked := self.folder / "linked").mkdir(exist_ok=True)
        if not (linked / "loan.dmn").is_symlink():
            (linked / "loan.dmn").symlink_to(self.folder / "loan.dmn")
        return [*paths, outside, bundle(self.folder / "none.zip", {"a.txt": "words"}), linked]
