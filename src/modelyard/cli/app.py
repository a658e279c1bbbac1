"""The tree of commands: nouns and verbs with one line each, imported when they are used. `--help` loads none of them."""

from __future__ import annotations

from cyclopts import App, Group

from modelyard import __version__

START, CATALOG, ASSURE = Group("Start", sort_key=1), Group("Inventory", sort_key=2), Group("Assurance", sort_key=3)
DELIVER, WATCH, HOUSE = Group("Delivery", sort_key=4), Group("Watching", sort_key=5), Group("House", sort_key=6)

TREE: tuple[tuple[Group, str, str, str], ...] = (
    (START, "up", "up:up", "Start the API, the runtime and a worker here; Ctrl-C stops all three."),
    (START, "login", "house:login", "Keep a server's address and a token in a file that only you can read."),
    (START, "init", "register:init", "Write a first modelyard.yaml: a model as code."),
    (START, "register", "register:register", "Upload an artifact and register it as the next version of its model."),
    (START, "doctor", "doctor:doctor", "Look for what is wrong and say what to do. 1 when anything is."),
    (CATALOG, "use-case", "catalog:use_case", "Business decisions to be made: owner, purpose, value, risk tier."),
    (CATALOG, "model", "catalog:model", "What makes or informs a decision."),
    (CATALOG, "version", "catalog:version", "Immutable states of a model."),
    (CATALOG, "list", "catalog:list_any", "List records of any kind, models by default."),
    (CATALOG, "show", "catalog:show_any", "Show a model by name, a version as model@3, anything else by id."),
    (CATALOG, "search", "catalog:search", "Search use cases, models and versions by words."),
    (CATALOG, "diff", "catalog:diff", "Compare two versions: signature, metrics, environment, recipe, lineage."),
    (CATALOG, "history", "catalog:history", "Show what happened to a model, or what of it served at a moment."),
    (ASSURE, "evidence", "assurance:evidence", "Results bound to the digest of a version."),
    (ASSURE, "gate", "assurance:gate", "What a version must show to pass to a stage."),
    (ASSURE, "approval", "assurance:approval", "Decisions by people, bound to what they were shown."),
    (ASSURE, "release", "delivery:release", "Signed statements of what may serve where."),
    (DELIVER, "endpoint", "delivery:endpoint", "Stable names that callers use."),
    (DELIVER, "deploy", "delivery:deploy", "Put a released version behind an endpoint."),
    (DELIVER, "promote", "delivery:promote", "Make a challenger the champion with all traffic."),
    (DELIVER, "rollback", "delivery:rollback", "Return to what answered before, in one step."),
    (DELIVER, "shares", "delivery:shares", "Set the live arms' shares of traffic, as ARM=SHARE; they add up to one."),
    (DELIVER, "stop", "delivery:stop", "Take an arm away; its share goes to the champion."),
    (WATCH, "decisions", "watching:decisions", "Read the decision log."),
    (WATCH, "outcomes", "watching:outcomes", "What came of decisions."),
    (WATCH, "monitor", "watching:monitor", "Measures over decisions and outcomes, taken on schedule."),
    (WATCH, "alert", "watching:alert", "Measures that went beyond their line."),
    (WATCH, "audit", "audit:audit", "The audit log: append-only, signed, verifiable offline."),
    (HOUSE, "identity", "access:identity", "People and service accounts."),
    (HOUSE, "role", "access:role", "What identities may do."),
    (HOUSE, "token", "access:token", "What identities present. The secret is made here and never sent."),
    (HOUSE, "policy", "access:policy", "Cedar policies: versioned, proposed by one, activated by another."),
    (HOUSE, "keys", "keys:keys", "Signing keys, on the server's own machine."),
    (HOUSE, "job", "jobs:job", "Work that a worker does: checks, translations, comparisons."),
    (HOUSE, "whoami", "house:whoami", "Show who the token stands for."),
    (HOUSE, "backup", "house:backup", "Write all of the installation on this machine to one place."),
    (HOUSE, "restore", "house:restore", "Bring an installation back from a backup. The folder must be empty."),
    (HOUSE, "about", "house:about", "Print the version of this program."),
)  # fmt: skip

INTRODUCTION = """Modelyard: the governed life of every model that makes or informs a business decision.

MODELYARD_URL and MODELYARD_TOKEN say where the server is and who asks; `modelyard login` keeps both.
Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 8 waiting for a person."""


def make_app() -> App:
    """The whole tree, nothing of it imported yet."""
    app = App(name="modelyard", help=INTRODUCTION, version=__version__, help_format="plaintext", result_action="return_value")
    for group, name, place, sentence in TREE:
        app.command(f"modelyard.cli.{place}", name=name, help=sentence, group=group)
    return app
