"""Where the server is and as whom we speak: the environment wins over `modelyard login`, an option over both."""

from __future__ import annotations

import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from modelyard.cli.errors import Usage

DEFAULT_URL = "http://127.0.0.1:7900"
DEFAULT_RUNTIME = "http://127.0.0.1:7901"


@dataclass(frozen=True)
class Target:
    """A server. `source` says where its address came from, for `doctor`."""

    url: str
    token: str | None
    runtime_url: str
    source: str


def config_file() -> Path:
    """`$XDG_CONFIG_HOME/modelyard/config.toml`, `~/.config` by default."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(base) / "modelyard" / "config.toml"


def target(url: str | None = None) -> Target:
    """The server to speak to. A token that was stored for one address is not sent to another."""
    stored, environment = _stored(), os.environ
    chosen = url or environment.get("MODELYARD_URL") or stored.get("url") or DEFAULT_URL
    source = "--url" if url else "MODELYARD_URL" if environment.get("MODELYARD_URL") else ""
    source = source or (str(config_file()) if stored.get("url") else "the default")
    same = chosen.rstrip("/") == stored.get("url", "").rstrip("/")
    token = environment.get("MODELYARD_TOKEN") or (stored.get("token") if same else None)
    runtime = environment.get("MODELYARD_RUNTIME_URL") or (stored.get("runtime_url") if same else None) or DEFAULT_RUNTIME
    return Target(chosen, token or None, runtime, source)


def store(url: str, token: str, runtime_url: str | None) -> Path:
    """Keep an address and a token in a file that only its owner can read; the file is replaced in one step."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    entries = {"url": url, "token": token} | ({"runtime_url": runtime_url} if runtime_url else {})
    text = "".join(f"{name} = {_quoted(value)}\n" for name, value in entries.items())
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".config.")
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _stored() -> dict[str, str]:
    path = config_file()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Usage(f"{path} cannot be read: {error}", hint="`modelyard login` writes it anew") from error
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _quoted(value: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise Usage("control characters in an address or a token", field="token", hint="copy it again")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
