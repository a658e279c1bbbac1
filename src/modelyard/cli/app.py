"""The tree of commands as a program: nouns and verbs are imported when they are used."""

from __future__ import annotations

from cyclopts import App, Group, Parameter

from modelyard import __version__
from modelyard.cli.tree import HEADINGS, INTRODUCTION, TREE


def make_app() -> App:
    """The whole tree, nothing of it imported yet."""
    app = App(
        name="modelyard",
        help=INTRODUCTION,
        version=__version__,
        help_format="plaintext",
        help_formatter="plain",
        result_action="return_value",
        default_parameter=Parameter(negative_iterable=()),
    )
    groups = {heading: Group(heading, sort_key=place) for place, heading in enumerate(HEADINGS)}
    for heading, word, place, sentence in TREE:
        app.command(f"modelyard.cli.{place}", name=word, help=sentence, group=groups[heading])
    return app
