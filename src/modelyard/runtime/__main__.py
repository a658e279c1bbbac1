"""`python -m modelyard.runtime`: the data plane as a program of its own."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from modelyard.core.errors import InvalidInput, ModelyardError, Unavailable
from modelyard.core.logs import configure_logs
from modelyard.decisions.shipping_log import Acknowledge, Shipping
from modelyard.decisions.shipping_stores import segments_at
from modelyard.runtime.asked import MOST_ROWS
from modelyard.runtime.compose import Settings, hosted
from modelyard.runtime.workers import Workers
from modelyard.trust import TrustRoots


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight (see `leaving`). Returns 0; 1 when
    workers could not be kept alive or had to be killed; 2 when the configuration is wrong."""
    options = _options(arguments)
    settings = Settings(
        home=options.home,
        source=options.source,
        trust_roots=options.trust_roots,
        name=options.name or f"runtime-{options.port}",
        token_file=options.token_file,
        log=options.log,
        pseudonym_key_file=options.pseudonym_key_file,
        policy_file=options.policy_file,
        environments=options.environments,
        pythons=tuple(options.python),
        largest_body=options.largest_body,
        most_rows=options.most_rows,
        most_requests=options.most_requests,
        read_seconds=options.read_seconds,
        stop_seconds=options.stop_seconds,
        map_weights=options.map_weights,
        data_key_file=options.data_key_file,
        host=options.host,
        grpc_port=options.grpc_port,
        segments=options.segments or "",
        shipping=_shipping(options),
    )
    try:
        _check(settings)
    except (ModelyardError, OSError) as error:
        sys.stderr.write(f"modelyard runtime: {error}\n")
        return 2
    configure_logs()
    try:
        workers = Workers(options.workers, options.host, options.port, partial(hosted, settings), options.stuck_seconds)
    except OSError as error:
        sys.stderr.write(f"modelyard runtime: cannot listen on {options.host}, port {options.port}: {error}\n")
        return 2
    return workers.run(drain_seconds=options.drain_seconds, stop_seconds=options.stop_seconds)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("modelyard.runtime", description="Serves released model versions.")
    for add in (_serving, _isolation, _limits, _shipped):  # in the order of the help
        add(parser)
    return parser.parse_args(arguments)


def _serving(parser: argparse.ArgumentParser) -> None:
    """Where it is, what it serves, and what it keeps."""
    parser.add_argument("--home", type=Path, required=True, help="where cache, spool and decision log are kept")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--grpc-port", type=int, help="also answer the Open Inference Protocol over gRPC (needs the extra `grpc`)"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--source", required=True, help="address of the control plane, or a folder it publishes to")
    parser.add_argument("--trust-roots", type=Path, required=True, help="JSON file of the public keys to trust")
    parser.add_argument("--token-file", type=Path, help="file with the bearer token for the control plane")
    parser.add_argument("--log", type=Path, help="folder of the decision log (default: <home>/decisions)")
    parser.add_argument("--pseudonym-key-file", type=Path, help="secret for pseudonyms (default: made in <home>)")
    parser.add_argument(
        "--data-key-file", type=Path, help="keys for protected fields, the current one first (default: made in <home>)"
    )


def _isolation(parser: argparse.ArgumentParser) -> None:
    """How models are loaded, and what keeps them apart."""
    parser.add_argument("--environments", type=Path, help="where versions' environments are kept (default: <home>/environments)")
    parser.add_argument("--python", type=Path, action="append", default=[], help="an interpreter for versions (may be repeated)")
    parser.add_argument("--policy-file", type=Path, help="JSON of what kinds may load (default: nothing risky)")
    parser.add_argument(
        "--map-weights",
        action="store_true",
        help="hold large weights of ONNX models once for all workers: saves memory and loading, batches take up to twice as long",
    )


def _limits(parser: argparse.ArgumentParser) -> None:
    """What it takes on at once, and how long anything may take."""
    parser.add_argument("--name", help="name of this runtime in logs and refusals (default: runtime-<port>)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--largest-body", type=int, default=64 << 20, help="largest request in bytes")
    parser.add_argument("--most-rows", type=_some_rows, default=MOST_ROWS, help="rows that are answered at once")
    parser.add_argument("--most-requests", type=int, default=10_000, help="requests under way in a worker; others are told 503")
    parser.add_argument(
        "--read-seconds",
        type=float,
        default=30.0,
        help="how long a request's head, and its body, may take to come, and an answer may not move",
    )
    parser.add_argument(
        "--drain-seconds",
        type=_not_negative,
        default=0.0,
        help="after SIGTERM: how long to answer on while saying that it is not ready, so that balancers go elsewhere",
    )
    parser.add_argument(
        "--stop-seconds",
        type=_some_seconds,
        default=60,
        help="after that: how long requests under way, and streams, may hold up the end",
    )
    parser.add_argument(
        "--stuck-seconds",
        type=_not_negative,
        default=60.0,
        help="a worker whose event loop stands still for so long is killed and replaced (0: never)",
    )


def _shipped(parser: argparse.ArgumentParser) -> None:
    """Where the decision log goes, and when."""
    parser.add_argument(
        "--segments", help="where sealed segments of the decision log are shipped to: s3://bucket/prefix, a folder"
    )
    parser.add_argument(
        "--acknowledge",
        choices=[each.value for each in Acknowledge],
        default=Acknowledge.LOCAL.value,
        help="after what an answer is acknowledged: this machine's disk, or the store of --segments",
    )
    parser.add_argument(
        "--seal-after", type=_not_negative, default=60.0, help="seconds from a segment's first row until it is shipped"
    )
    parser.add_argument(
        "--keep-shipped", type=_not_negative, default=24.0, help="hours that a shipped segment stays on this machine"
    )


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and a million")
    return value


def _some_seconds(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 86400")
    return value


def _some_rows(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and a million")
    return value


def _shipping(options: argparse.Namespace) -> Shipping:
    keep, seal_after = timedelta(hours=options.keep_shipped), timedelta(seconds=options.seal_after)
    return Shipping(Acknowledge(options.acknowledge), seal_after=seal_after, keep=keep)


def _check(settings: Settings) -> None:
    """What would fail in every worker fails here once, with a sentence. Raises Malformed or OSError."""
    TrustRoots.from_json(settings.trust_roots.read_bytes())
    settings.home.mkdir(parents=True, exist_ok=True)
    for path in (settings.token_file, settings.pseudonym_key_file, settings.policy_file, settings.data_key_file):
        if path is not None:
            path.read_bytes()
    if settings.segments:
        segments_at(settings.segments)
    elif settings.shipping.acknowledge is Acknowledge.OBJECT_STORE:
        raise InvalidInput("answers cannot be acknowledged after a store that is not named", field="--segments")
    if settings.grpc_port is not None and find_spec("grpc") is None:
        raise Unavailable("gRPC needs grpcio", hint="pip install 'modelyard[grpc]'")


if __name__ == "__main__":
    sys.exit(main())
