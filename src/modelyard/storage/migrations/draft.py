"""Write a revision that creates the declared tables which the earlier revisions do not.

    python -m modelyard.storage.migrations.draft 0001 house

A revision that is not released yet is drafted anew by the same command. Tables that changed shape are named in comments: how
their records come along is for a person to write.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from alembic.script import ScriptDirectory

from modelyard.storage.engines import engine_for
from modelyard.storage.layout import Layout
from modelyard.storage.migrations import _config, upgrade_on
from modelyard.storage.migrations.declared import declared_tables
from modelyard.storage.migrations.inspection import Description, describe
from modelyard.storage.migrations.steps import BASE
from modelyard.storage.schema import Shape, create, shape_of


def draft(revision: str, slug: str) -> str:
    """The text of the revision."""
    shapes = [shape_of(Layout(table)) for table in declared_tables()]
    before = _previous(revision)
    have, want = _schema([], before), _schema(shapes, None)
    steps = [_step(shape) for shape in shapes if shape.name not in have]
    changed = [f"    # {name}: {line}" for name in want if name in have for line in _changes(have[name], want[name])]
    body = "\n".join([*steps, *changed]) or "    pass"
    return _TEXT.format(slug=slug.replace("_", " "), revision=revision, before=repr(before).replace("'", '"'), body=body)


def _previous(revision: str) -> str | None:
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision: script.down_revision for script in scripts.walk_revisions()}
    before = known[revision] if revision in known else scripts.get_current_head()
    return None if before is None else str(before)


def _schema(shapes: list[Shape], revision: str | None) -> Description:
    """What a fresh SQLite database has with some shapes created, or after a revision."""
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_for(f"sqlite:///{Path(folder) / 'draft.db'}", 5.0, False)
        with engine.begin() as connection:
            create(connection, shapes)
            if revision is not None:
                upgrade_on(connection, revision)
            found = describe(connection)
        engine.dispose()
    return found


def _changes(have: list[str], want: list[str]) -> list[str]:
    gone = [f"no longer {line}" for line in have if line not in want]
    return gone + [f"new: {line}" for line in want if line not in have]


def _step(shape: Shape) -> str:
    columns = {name: kind for name, kind in shape.columns if (name, kind) not in BASE}
    options = [f"{_literal(shape.name)}"]
    if columns:
        options.append("{" + ", ".join(f'"{name}": "{kind}"' for name, kind in columns.items()) + "}")
    if shape.unique:
        options.append(f"unique=[{', '.join(_group(group) for group in shape.unique)}]")
    options += [f"{name}=True" for name in ("text", "append_only") if getattr(shape, name)]
    line = f"    create_records({', '.join(options)})"
    return line if len(line) <= 128 else "    create_records(\n" + "".join(f"        {o},\n" for o in options) + "    )"


def _group(group: tuple[str, ...]) -> str:
    return f"({', '.join(_literal(name) for name in group)}{',' if len(group) == 1 else ''})"


def _literal(text: str) -> str:
    return f'"{text}"'


_TEXT = '''"""Schema {revision}: {slug}."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "{revision}"
down_revision = {before}
branch_labels = None
depends_on = None


def upgrade() -> None:
{body}
'''


def main() -> None:
    parser = argparse.ArgumentParser(description="Draft a schema revision for tables that are declared and not yet migrated.")
    parser.add_argument("revision", help="four digits, like 0002")
    parser.add_argument("slug", help="what it brings, like evaluation")
    wanted = parser.parse_args()
    text = draft(wanted.revision, wanted.slug)
    path = Path(__file__).parent / "versions" / f"{wanted.revision}_{wanted.slug}.py"
    path.write_text(text)
    sys.stdout.write(f"wrote {path}; now run `ruff format` on it\n")


if __name__ == "__main__":
    main()
