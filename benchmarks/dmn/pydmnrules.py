"""`pyDMNrules`, which reads tables from a workbook: lines of the glossary, a table of tables, and the rules with double borders
where it looks for them."""

from __future__ import annotations

from openpyxl import Workbook
from openpyxl.styles import Border
from openpyxl.styles import Side as Line
from openpyxl.worksheet.worksheet import Worksheet
from pyDMNrules import DMN

from benchmarks.dmn.cases import INPUTS, TABLES, rules
from benchmarks.dmn.side import Decide, Side
from benchmarks.peers import serve

THIN, DOUBLE = Line(style="thin"), Line(style="double")


class PyDMNrules(Side):
    chunk = 1

    def load(self, case: str) -> Decide:
        engine = DMN()
        status = engine.use(workbook(rules(TABLES[case])))
        if "errors" in status:
            raise SystemExit(str(status["errors"]))
        return lambda row: engine.decide(row)[1]["Result"]["rate"]


def workbook(rows: list[tuple[str, str, str, str]]) -> Workbook:
    book = Workbook()
    sheet = book.active
    sheet.title = "Glossary"
    for line in (
        ["Glossary"],
        ["Variable", "Business Concept", "Attribute"],
        *([name, "Loan", name] for name in (*INPUTS, "rate")),
    ):
        sheet.append(line)
    _borders(sheet, 6, 3)
    sheet.merge_cells("A1:C1")
    sheet.merge_cells("B3:B6")
    sheet = book.create_sheet("Decision")
    for line in (["Decision"], ["Decisions", "Execute Decision Tables"], ["rate", "Rates"]):
        sheet.append(line)
    _borders(sheet, 3, 2)
    sheet.merge_cells("A1:B1")
    sheet = book.create_sheet("Rates")
    for line in (["Rates"], ["F", *INPUTS, "rate"], *([number, *row] for number, row in enumerate(rows, 1))):
        sheet.append(line)
    _borders(sheet, len(rows) + 2, 5, outputs=5)
    return book


def _borders(sheet: Worksheet, rows: int, columns: int, outputs: int = 0) -> None:
    """Thin ones, but double between heads and rules and between inputs and outputs."""
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            sheet.cell(row, column).border = Border(
                left=DOUBLE if outputs and column == outputs else THIN,
                right=DOUBLE if outputs and column == outputs - 1 else THIN,
                top=DOUBLE if outputs and row == 3 else THIN,
                bottom=DOUBLE if outputs and row == 2 else THIN,
            )


if __name__ == "__main__":
    serve(PyDMNrules())
