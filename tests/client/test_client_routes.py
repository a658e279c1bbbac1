"""The client's tables against the server's own."""

from __future__ import annotations

from modelyard.api.collections import COLLECTIONS as SERVED
from modelyard.api.commands import ROWS
from modelyard.cli.views import VIEWS
from modelyard.client.routes import COLLECTIONS, COMMANDS


def test_every_command_of_the_server_has_its_route() -> None:
    assert {row.command.action: (row.method, row.path) for row in ROWS} == {a: tuple(r) for a, r in COMMANDS.items()}


def test_every_collection_of_the_server_has_its_path() -> None:
    assert {c.table.name: c.path for c in SERVED} == {name: f"/{path}" for name, path in COLLECTIONS.items()}


def test_every_view_shows_a_collection_and_fields_that_its_records_have() -> None:
    fields = {c.path[1:]: set(c.table.record.model_fields) for c in SERVED}
    for view in VIEWS.values():
        if view.path == "decisions":
            continue
        assert view.path in fields, view.noun
        columns = [word.partition("=")[2].partition(":")[0] for word in view.columns.replace("|", " ").split()]
        assert {c.partition(".")[0] for c in (*columns, view.name)} <= fields[view.path], view.noun
