"""`python -I -S <this folder> TERMS`: one model in a process of its own, in whatever environment the interpreter belongs to.

TERMS is JSON: what `confine.apply` takes, and `serve`, the descriptor of the socket. Rights are given up first of all, before
`site` reads the environment's own start-up files. Nothing here needs more than Python 3.9's standard library.
"""

# ruff: noqa: PTH100, PTH120  as little as possible is imported before rights are given up

import importlib.util
import json
import os
import socket
import sys

TYPE_CHECKING = False  # `typing` is not imported before rights are given up
if TYPE_CHECKING:
    from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))
NAME = "_modelyard_shim"


def _package() -> None:
    """This folder as a package under a name that no model's module has."""
    found = importlib.util.spec_from_file_location(NAME, FOLDER + "/__init__.py", submodule_search_locations=[FOLDER])
    if found is None or found.loader is None:
        raise ImportError("the shim is not whole")
    module = importlib.util.module_from_spec(found)
    sys.modules[NAME] = module
    found.loader.exec_module(module)


def main(terms: "Any") -> int:
    """Confine, then make the environment's packages importable, then load and serve."""
    _package()
    connection = socket.socket(fileno=terms["serve"])
    confine = importlib.import_module(NAME + ".confine")
    terms["read"] = [*terms.get("read", ()), FOLDER]
    try:
        missing = confine.apply(terms)
    except confine.Unconfined as error:
        refused = error
        missing = None
    if FOLDER in sys.path:
        sys.path.remove(FOLDER)
    import site

    site.main()
    serving = importlib.import_module(NAME + ".serving")
    if missing is None:
        return int(serving.refuse(connection, refused))
    formats = importlib.import_module(NAME + ".formats")
    return int(serving.serve(connection, formats.Host(missing)))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
