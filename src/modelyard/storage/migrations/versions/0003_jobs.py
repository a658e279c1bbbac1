"""Schema 0003: jobs."""

from __future__ import annotations

from alembic import op

from modelyard.storage.migrations.steps import add_columns, create_records

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PLACE = {
    "sqlite": "printf('%019d', rank + 2000000000000000000)",
    "postgresql": "lpad((rank + 2000000000000000000)::text, 19, '0')",
}
LANE = "replace(replace({0}, '%', '%25'), '|', '%7C')"


def upgrade() -> None:
    create_records(
        "job_artifacts",
        {"job": "text", "attempt": "integer", "name": "text", "blob": "text"},
        unique=[("job", "attempt", "name")],
        append_only=True,
    )
    create_records("job_logs", append_only=True)
    create_records("resource_limits", {"name": "text"}, unique=[("organisation", "name")])
    add_columns("jobs", {"lane": "text?", "occupies": "text?", "resource": "text?"})
    _give_queued_jobs_their_lane()


def _give_queued_jobs_their_lane() -> None:
    """None of them takes up a resource. A job's body need not say its lane: it is written anew whenever the job is queued."""
    connection = op.get_bind()
    parts = (LANE.format("organisation"), "'||'", LANE.format("kind"), "'|'", PLACE[connection.dialect.name])
    statement = f"UPDATE jobs SET lane = {' || '.join(parts)} WHERE rank IS NOT NULL"  # noqa: S608 -- nothing comes from outside
    connection.exec_driver_sql(statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement)
