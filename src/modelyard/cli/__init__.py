"""The command line: `modelyard`. `main` is the program; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code (see `modelyard.cli.errors`)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in ([], ["--help"], ["-h"]):
        return _help()
    from cyclopts import CycloptsError

    from modelyard.cli.app import make_app
    from modelyard.cli.errors import INTERRUPTED, Usage, tell
    from modelyard.core.errors import ModelyardError

    try:
        code = make_app()(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        help_words = " ".join(["modelyard", *error.command_chain, "--help"] if error.command_chain else ["modelyard", "--help"])
        return tell(Usage(str(error).strip(), hint=help_words), as_json=_wants_json(words))
    except ModelyardError as error:
        return tell(error, as_json=_wants_json(words))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); closing quietly is what a filter does.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _help() -> int:
    from modelyard.cli.tree import root_help

    sys.stdout.write(root_help())
    return 0


def _wants_json(words: Sequence[str]) -> bool:
    """Whether errors are told as JSON too: asked before parsing, because parsing may be what failed."""
    forms = ("-ojson", "-o=json", "--output=json")
    return any(w in forms or (w in ("-o", "--output") and words[i + 1 : i + 2] == ["json"]) for i, w in enumerate(words))
