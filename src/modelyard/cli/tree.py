"""The tree of commands as data: heading, word, where it is implemented, one line that says what it is.

`modelyard --help` is printed from here alone, so it answers before any library is loaded.
"""

from __future__ import annotations

import textwrap

TREE: tuple[tuple[str, str, str, str], ...] = (
    ("Start", "up", "up:up", "Start the API, the runtime and a worker here; Ctrl-C stops all three."),
    ("Start", "login", "house:login", "Keep a server's address and a token in a file that only you can read."),
    ("Start", "init", "register:init", "Write a first modelyard.yaml: a model as code."),
    ("Start", "register", "register:register", "Upload an artifact and register it as the next version of its model."),
    ("Start", "doctor", "doctor:doctor", "Look for what is wrong and say what to do. 1 when anything is."),
    ("Start", "dmn", "dmn:dmn", "Decision models in DMN, on files: evaluate, check, test, explain. Needs no server."),
    ("Life cycle", "lifecycle", "lifecycle:lifecycle",
     "Life cycles in BPMN: check, test and simulate files; publish, run and mend them."),
    ("Life cycle", "task", "tasks:task", "What waits for people: your inbox; claim, delegate, complete, comment."),
    ("Inventory", "use-case", "catalog:use_case", "Business decisions to be made: owner, purpose, value, risk tier."),
    ("Inventory", "model", "catalog:model", "What makes or informs a decision."),
    ("Inventory", "version", "catalog:version", "Immutable states of a model."),
    ("Inventory", "list", "catalog:list_any", "List records of any kind, models by default."),
    ("Inventory", "show", "catalog:show_any", "Show a model by name, a version as model@3, anything else by id."),
    ("Inventory", "search", "catalog:search", "Search use cases, models and versions by words."),
    ("Inventory", "diff", "catalog:diff", "Compare two versions: signature, metrics, environment, recipe, lineage."),
    ("Inventory", "history", "catalog:history", "Show what happened to a model, or what of it served at a moment."),
    ("Assurance", "evidence", "assurance:evidence", "Results bound to the digest of a version."),
    ("Assurance", "gate", "assurance:gate", "What a version must show to pass to a stage."),
    ("Assurance", "approval", "assurance:approval", "Decisions by people, bound to what they were shown."),
    ("Assurance", "release", "delivery:release", "Signed statements of what may serve where."),
    ("Delivery", "endpoint", "endpoints:endpoint", "Stable names that callers use."),
    ("Delivery", "deploy", "deploy:deploy", "Put a released version behind an endpoint."),
    ("Delivery", "promote", "delivery:promote", "Make a challenger the champion with all traffic."),
    ("Delivery", "rollback", "delivery:rollback",
     "Return to what answered before, in one step; with --runtime also while the control plane is away."),
    ("Delivery", "shares", "delivery:shares", "Set the live arms' shares of traffic, as ARM=SHARE; they add up to one."),
    ("Delivery", "stop", "delivery:stop", "Take an arm away; its share goes to the champion."),
    ("Delivery", "score", "score:score", "Score files with what an endpoint has released. Given again, it goes on."),
    ("Delivery", "replay", "replay:replay", "Ask another version what was decided, and compare. Given again, it goes on."),
    ("Watching", "decisions", "decisions:decisions", "The decision log: read, count, export, ask in SQL, backfill."),
    ("Watching", "outcomes", "watching:outcomes", "What came of decisions."),
    ("Watching", "monitor", "watching:monitor", "Measures over decisions and outcomes, taken on schedule."),
    ("Watching", "alert", "watching:alert", "Measures that went beyond their line."),
    ("Watching", "audit", "audit:audit", "The audit log: append-only, signed, verifiable offline."),
    ("Custody", "retention", "custody:retention", "How long decisions are kept, by use case or tier."),
    ("Custody", "hold", "custody:hold", "Legal holds: what must not go while a matter is open."),
    ("Custody", "erasure", "custody:erasure", "Erasure of people's decisions: request, follow, verify."),
    ("House", "identity", "access:identity", "People and service accounts."),
    ("House", "role", "access:role", "What identities may do."),
    ("House", "token", "access:token", "What identities present. The secret is made here and never sent."),
    ("House", "policy", "access:policy", "Cedar policies: versioned, proposed by one, activated by another."),
    ("House", "keys", "keys:keys", "Signing keys, on the server's own machine."),
    ("House", "job", "jobs:job", "Work that a worker does: checks, translations, comparisons."),
    ("House", "whoami", "house:whoami", "Show who the token stands for."),
    ("House", "backup", "house:backup", "Write all of the installation on this machine to one place."),
    ("House", "restore", "house:restore", "Bring an installation back from a backup. The folder must be empty."),
    ("House", "about", "house:about", "Print the version of this program."),
)  # fmt: skip

INTRODUCTION = """Modelyard: the governed life of every model that makes or informs a business decision.

MODELYARD_URL and MODELYARD_TOKEN say where the server is and who asks; `modelyard login` keeps both.
Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 8 waiting for a person."""

HEADINGS = tuple(dict.fromkeys(heading for heading, _, _, _ in TREE))


def root_help(width: int = 100) -> str:
    """What `modelyard --help` prints."""
    parts = ["Usage: modelyard COMMAND [--help]\n", INTRODUCTION + "\n"]
    indent = max(len(word) for _, word, _, _ in TREE) + 4
    for heading in HEADINGS:
        lines = [f"  {word:<{indent - 4}}  {sentence}" for h, word, _, sentence in TREE if h == heading]
        wrapped = (textwrap.fill(line, width, subsequent_indent=" " * indent) for line in lines)
        parts.append("\n".join((f"{heading}:", *wrapped)) + "\n")
    return "\n".join(parts)
