"""An operator's order, signed here and given to runtimes directly: for when the control plane is away."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import Changing
from modelyard.cli.session import Session, confirm, interactive, say
from modelyard.core.errors import ModelyardError, NotApproved, NotFound, TimedOut, Unavailable

if TYPE_CHECKING:
    from modelyard.trust import Ed25519Signer
    from modelyard.trust.statements import Order

HOLDER = "# holder: "
_SUFFIX = ".dsse.json"
_DROPPED_FOR = 20.0
Json = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """What an operator wants of an endpoint: return to `to` (or to where it came from), or stop arms, for some hours."""

    endpoint: str
    to: str | None
    stop: tuple[str, ...]
    hours: float
    key: Path | None


def give_orders(wish: Wish, runtimes: Sequence[str], how: Changing) -> int:
    """Sign an order for each runtime, by what that runtime has in force, and hand it over. 1 when any refused, was silent, or
    took it and cannot answer as it says."""
    if wish.key is None:
        raise Usage("an order is signed", field="--order-key", hint="modelyard keys create-order-key made the file")
    if wish.to is not None and wish.stop:
        raise Usage("roll back, or stop: one thing at a time", field="--stop", hint="leave out --to or --stop")
    holder, signer = read_key(wish.key)
    reason = Session(how).reason(required=True) or "dry run"
    results = [_give(wish, runtime, holder, signer, reason, how) for runtime in runtimes]
    columns = "RUNTIME=runtime TAKEN=taken ANSWERS=arms UNTIL=until:when TOLD=told"
    render.print_rows(results, columns, how.output, name="runtime")
    if any(result["taken"] for result in results) and not how.dry_run:
        say("the control plane takes the order over when it is back: modelyard endpoint orders")
    return DONE if all(result["taken"] and not result["missing"] for result in results) else FAILED


def read_key(path: Path) -> tuple[str, Ed25519Signer]:
    """The holder's identity and the key of a file that only its owner can read. Raises Usage."""
    from modelyard.trust import Ed25519Signer

    try:
        if path.stat().st_mode & 0o077:
            raise Usage(f"{path} can be read by others", field="--order-key", hint=f"chmod 600 {path}")
        data = path.read_bytes()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}", field="--order-key") from error
    first = data.split(b"\n", 1)[0].decode("utf-8", "replace")
    if not first.startswith(HOLDER):
        raise Usage(f"{path} does not say whose key it is", field="--order-key", hint="modelyard keys create-order-key makes one")
    try:
        return first.removeprefix(HOLDER).strip(), Ed25519Signer.from_private_bytes(data)
    except ModelyardError as error:
        raise Usage(f"{path} holds no key: {error.detail}", field="--order-key") from error


def _give(wish: Wish, runtime: str, holder: str, signer: Ed25519Signer, reason: str, how: Changing) -> Json:
    from modelyard.trust import sign_order

    try:
        by_http = runtime.startswith(("http://", "https://"))
        present = _asked(runtime, how.timeout) if by_http else _at_home(Path(runtime))
        order = _order(wish, present, holder, reason)
        if how.dry_run:
            return _result(runtime, True, order, "dry run: not given")
        if not how.yes and interactive():
            confirm(f"{runtime}: {_sentence(order)}?")
        envelope = sign_order(order, signer).envelope
        answer = _posted(runtime, envelope, how.timeout) if by_http else _dropped(Path(runtime), envelope)
        arms = ", ".join(arm["name"] for arm in answer["arms"]) or "fallbacks"
        missing = answer.get("missing", {})  # an older runtime does not say
        told = "; ".join(f"{name} does not answer: {why}" for name, why in missing.items())
        return _result(runtime, True, order, told) | {"arms": arms, "missing": missing}
    except Usage:
        raise
    except ModelyardError as error:
        return {"runtime": runtime, "taken": False, "arms": "", "until": None, "told": str(error), "missing": {}}


def _order(wish: Wish, present: Json, holder: str, reason: str) -> Order:
    from pydantic import ValidationError

    from modelyard.trust.statements import Order

    endpoint = present["endpoints"].get(wish.endpoint)
    if endpoint is None:
        known = ", ".join(present["endpoints"]) or "none"
        raise NotFound(f"there is no endpoint {wish.endpoint!r} at this runtime", field="endpoint", hint=f"it has: {known}")
    now = datetime.now(UTC)
    terms = {
        "id": f"ord_{uuid.uuid4().hex}",
        "organisation": present["organisation"],
        "endpoint": wish.endpoint,
        "action": "stop" if wish.stop else "rollback",
        "to": [_named(arm) for arm in _wanted(wish, endpoint)],
        "base_epoch": present["epoch"],
        "issued_by": holder,
        "issued_at": now,
        "until": now + timedelta(hours=wish.hours),
        "reason": reason,
    }
    try:
        return Order.model_validate(terms)
    except ValidationError as error:
        raise Usage(f"{error.errors()[0]['msg']}", field="--hours", hint="at most 24 hours") from error


def _wanted(wish: Wish, endpoint: Json) -> list[Json]:
    """The arms that the order names. Raises NotFound telling which there are."""
    if wish.stop:
        return [_find(name, endpoint["arms"], "--stop") for name in wish.stop]
    if wish.to is not None:
        return [_find(wish.to, endpoint["champions"], "--to")]
    if endpoint["previous"] is None:
        raise NotFound(
            f"nothing that this runtime has seen leads back on {wish.endpoint}", field="--to", hint="--to, or --stop an arm"
        )
    return [endpoint["previous"]]


def _find(name: str, arms: Sequence[Json], option: str) -> Json:
    for arm in arms:
        if name == arm["name"]:
            return arm
    known = ", ".join(arm["name"] for arm in arms) or "none"
    raise NotFound(f"this runtime knows of no arm {name!r} to choose", field=option, hint=f"it knows: {known}")


def _named(arm: Json) -> Json:
    return {name: arm[name] for name in ("name", "release", "manifest")}


def _sentence(order: Order) -> str:
    named = ", ".join(arm.name for arm in order.to if not isinstance(arm, str))
    verb = f"roll {order.endpoint} back to {named}" if order.action == "rollback" else f"stop {named} of {order.endpoint}"
    return f"{verb}, until {render.when(order.until)} unless it is taken over"


def _result(runtime: str, taken: bool, order: Order, told: str) -> Json:
    named = ", ".join(arm.name for arm in order.to if not isinstance(arm, str))
    return {"runtime": runtime, "taken": taken, "arms": named, "until": order.until.isoformat(), "told": told, "missing": {}}


def _asked(url: str, timeout: float) -> Json:
    return _http("GET", url, None, timeout)


def _posted(url: str, envelope: bytes, timeout: float) -> Json:
    return _http("POST", url, envelope, timeout)


def _http(method: str, url: str, content: bytes | None, timeout: float) -> Json:
    import httpx

    try:
        answer = httpx.request(method, f"{url.rstrip('/')}/orders", content=content, timeout=timeout)
        body: Json = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Unavailable(f"the runtime does not answer: {error}") from error
    if answer.status_code >= 400:
        raise NotApproved(str(body.get("error", answer.status_code)))
    return body


def _at_home(home: Path) -> Json:
    from modelyard.runtime.orders import at_home

    return at_home(home)


def _dropped(home: Path, envelope: bytes) -> Json:
    """Put the order into the runtime's folder in one step, and wait for what it answers."""
    import json

    from modelyard.decisions import write_atomically
    from modelyard.runtime.orders import INCOMING

    folder = home / "orders" / INCOMING
    name = uuid.uuid4().hex
    answer = folder / f"{name}.answer.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}{_SUFFIX}", envelope)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error.strerror}") from error
    end = time.monotonic() + _DROPPED_FOR
    while not answer.exists():
        if time.monotonic() > end:
            raise TimedOut(f"no runtime looks into {folder}; the order lies there", hint="it is acted on when the runtime starts")
        time.sleep(0.05)
    found: Json = json.loads(answer.read_bytes())
    answer.unlink()
    if not found["taken"]:
        raise NotApproved(found["error"])
    return found
