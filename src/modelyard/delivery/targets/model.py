"""What is asked of a place to run in: names, sizes, addresses, and the names of secrets that are never written here."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelyard.core.errors import InvalidInput

Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$")]
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Label = Annotated[str, Field(pattern=f"^{_LABEL}$", description="A label of RFC 1123, as the names of namespaces are")]
Existing = Annotated[
    str, Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253, description="The name of something made by others")
]
Port = Annotated[int, Field(ge=1024, le=65535, description="Pods run as nobody special, who may not take a lower one")]
DATA = PurePosixPath("/data")
PROBE_EVERY, PROBE_MISSES = 3, 2
PROBE_SECONDS = PROBE_EVERY * PROBE_MISSES
"""How long a readiness probe takes to see that a runtime leaves: to drain for less would be in vain."""
_MARGIN = 10


_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_UNITS |= {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)}
_UNITS |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}


def _amount(quantity: str) -> Decimal:
    """A quantity of Kubernetes as a number."""
    digits = quantity.rstrip("mkKMGTPEi")
    return Decimal(digits) * _UNITS[quantity[len(digits) :]]


def _positive(quantity: str) -> str:
    if not _amount(quantity):
        raise ValueError("nothing can run in nothing: more than 0 is asked for")
    return quantity


Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?$"), AfterValidator(_positive)]


_STORES = frozenset({"s3", "gs", "az"})
_HTTP = frozenset({"http", "https"})


def _checked(address: str, schemes: frozenset[str]) -> str:
    """The address. Raises ValueError for one that cannot be an address, or would give a secret away: manifests hold it."""
    if not address.isprintable() or " " in address or "$(" in address:
        raise ValueError(f"{address!r} has characters that no address has")
    try:
        parts = urlsplit(address)
        user, _ = parts.username, parts.port
    except ValueError as error:
        raise ValueError(f"{address!r} is no address: {error}") from error
    if user is not None:
        raise ValueError(f"an address at {parts.hostname} has a name or password in it: manifests hold no secrets")
    if parts.scheme not in schemes:
        if schemes is _STORES:
            raise ValueError(f"{address!r} is no object store that all machines reach: s3://…, gs://… or az://…")
        raise ValueError(f"{address!r} is no address of a control plane: http://… or https://…")
    if not parts.hostname:
        raise ValueError(f"{address!r} names no {'bucket' if schemes is _STORES else 'host'}")
    if parts.query or parts.fragment:
        raise ValueError(f"{address!r} has a query or a fragment: an address and a path are asked for")
    return address


StoreAddress = Annotated[str, AfterValidator(partial(_checked, schemes=_STORES))]
HttpAddress = Annotated[str, AfterValidator(partial(_checked, schemes=_HTTP))]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Resources(_Part):
    """What a container asks for, and what it may use at most. No limit of processor time by default: throttling ruins tails."""

    cpu: Quantity = "1"
    memory: Quantity = "1Gi"
    cpu_limit: Quantity | None = None
    memory_limit: Quantity = "2Gi"

    def manifest(self) -> dict[str, Any]:
        limits = {"memory": self.memory_limit} | ({"cpu": self.cpu_limit} if self.cpu_limit else {})
        return {"requests": {"cpu": self.cpu, "memory": self.memory}, "limits": limits}

    @model_validator(mode="after")
    def _within(self) -> Resources:
        for name in ("cpu", "memory"):
            limit = getattr(self, f"{name}_limit")
            if limit is not None and _amount(getattr(self, name)) > _amount(limit):
                raise ValueError(f"{getattr(self, name)} of {name} are asked for, more than the limit of {limit}")
        return self


class Scaling(_Part):
    """Between how many replicas, at which use of the requested processor time (percent)."""

    least: int = Field(default=2, ge=1)
    most: int = Field(default=8, ge=1)
    cpu_percent: int = Field(default=60, ge=5, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> Scaling:
        if self.most < self.least:
            raise ValueError("the most replicas are fewer than the least")
        return self


class ControlPlane(_Part):
    """API and worker. `blobs` is an object store's address; `database_secret` holds PostgreSQL's address under `url`."""

    blobs: StoreAddress = "s3://modelyard/blobs"
    database_secret: Existing = "modelyard-database"  # noqa: S105  the name of a Secret
    home_size: Quantity = "20Gi"
    resources: Resources = Resources(cpu="500m")


class Target(_Part):
    """A place to run in. `tier` is the highest risk tier of what is served there; `segments` is where runtimes ship their
    decision log; `source` is the control plane's address as runtimes reach it (by default the one rendered beside them). A
    runtime told to end answers on for `drain_seconds` while it says that it is not ready, then has `stop_seconds` to finish."""

    name: Name = "modelyard"
    namespace: Label = "modelyard"
    image: str = Field(default="modelyard:0.1.0", pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,254}$")
    replicas: int = Field(default=2, ge=1, le=500)
    workers: int = Field(default=1, ge=1, le=64)
    tier: Literal["low", "medium", "high"] = "medium"
    http_port: Port = 7901
    grpc_port: Port | None = 7902
    source: HttpAddress | None = None
    storage_class: Existing | None = None
    storage_size: Quantity = "10Gi"
    resources: Resources = Resources()
    segments: StoreAddress | None = None
    acknowledge: Literal["local", "object-store"] = "local"
    seal_after: float = Field(default=60, gt=0, le=86400)
    trust_roots: Existing = "modelyard-trust-roots"
    token_secret: Existing = "modelyard-runtime-token"  # noqa: S105  the name of a Secret
    pseudonym_secret: Existing = "modelyard-pseudonyms"  # noqa: S105  likewise
    store_secret: Existing | None = None
    callers: tuple[Label, ...] = ()
    drain_seconds: int = Field(default=15, ge=PROBE_SECONDS + 1, le=3600)
    stop_seconds: int = Field(default=60, ge=10, le=3600)
    autoscale: Scaling | None = None
    control_plane: ControlPlane | None = ControlPlane()

    @model_validator(mode="after")
    def _sound(self) -> Target:
        if self.acknowledge == "object-store" and self.segments is None:
            raise ValueError("answers cannot be acknowledged after a store that `segments` does not name")
        if self.tier == "high" and (self.autoscale.least if self.autoscale else self.replicas) < 2:
            raise ValueError("what serves the tier `high` needs two replicas or more")
        if self.grpc_port == self.http_port:
            raise ValueError("HTTP and gRPC need ports of their own")
        if self.control_plane is None and self.source is None:
            raise ValueError("without a control plane beside them, runtimes need its address as `source`")
        return self

    @property
    def runtime(self) -> str:
        return f"{self.name}-runtime"

    @property
    def api(self) -> str:
        return f"{self.name}-api"

    @property
    def grace_seconds(self) -> int:
        """How long a pod may take to end: it answers on, finishes what is under way, and ships its log."""
        return self.drain_seconds + self.stop_seconds + _MARGIN

    @property
    def source_url(self) -> str:
        return self.source or f"http://{self.api}:7900"


class Reference(_Part):
    """A Secret or ConfigMap that the manifests name and a person makes: its keys, what it is, and how."""

    kind: Literal["Secret", "ConfigMap"]
    name: str
    keys: tuple[str, ...]
    what: str
    how: str


def references(target: Target, *, control_plane: bool = True) -> tuple[Reference, ...]:
    """Everything that must be there before pods can start."""
    found = _of_runtimes(target)
    if target.control_plane is not None and control_plane:
        found = (_database(target, target.control_plane.database_secret), *found)
    return found if target.store_secret is None else (*found, _store(target, target.store_secret))


def _of_runtimes(target: Target) -> tuple[Reference, ...]:
    space = _kubectl(target)
    api = f"{space} exec deploy/{target.api} --"
    return (
        Reference(
            kind="ConfigMap",
            name=target.trust_roots,
            keys=("trust-roots.json",),
            what="the public keys that runtimes trust",
            how=f"{api} cat {DATA}/keys/trust-roots.json > trust-roots.json && "
            f"{space} create configmap {target.trust_roots} --from-file=trust-roots.json",
        ),
        Reference(
            kind="Secret",
            name=target.token_secret,
            keys=("token",),
            what="the token with which runtimes pull routes, releases and blobs",
            how=f"{api} cat {DATA}/runtime.token > token && "
            f"{space} create secret generic {target.token_secret} --from-file=token",
        ),
        Reference(
            kind="Secret",
            name=target.pseudonym_secret,
            keys=("key",),
            what="the key of pseudonyms: the same on all runtimes, kept as long as the decision log",
            how=f"openssl rand -hex 32 > key && {space} create secret generic {target.pseudonym_secret} --from-file=key",
        ),
    )


def _database(target: Target, secret: str) -> Reference:
    return Reference(
        kind="Secret",
        name=secret,
        keys=("url",),
        what="PostgreSQL's address: postgresql://user:password@host/database",
        how=f"{_kubectl(target)} create secret generic {secret} --from-file=url",
    )


def _store(target: Target, secret: str) -> Reference:
    return Reference(
        kind="Secret",
        name=secret,
        keys=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT"),
        what="credentials of the object store, as environment variables (better: a role of the service account)",
        how=f"{_kubectl(target)} create secret generic {secret} --from-env-file=store.env",
    )


def _kubectl(target: Target) -> str:
    return f"kubectl -n {target.namespace}"


class _Strict(yaml.SafeLoader):
    """Refuses a mapping that names a key twice: the first value would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    where = node.start_mark, f"{key.value!r} is there twice", key.start_mark
                    raise yaml.constructor.ConstructorError("while reading values", *where)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_target(text: str, **given: Any) -> Target:
    """A target from YAML, with `given` winning. Raises InvalidInput with the place of what is wrong."""
    try:
        values = yaml.load(text, Loader=_Strict)  # noqa: S506  a safe loader, and stricter
    except yaml.YAMLError as error:
        raise InvalidInput(f"the values are no YAML: {error}", field="values") from error
    if not isinstance(values or {}, dict):
        raise InvalidInput("the values are no mapping of names to values", field="values", hint="name: modelyard")
    try:
        return Target.model_validate((values or {}) | {name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(step) for step in fault["loc"]) or "values"
        raise InvalidInput(
            fault["msg"].removeprefix("Value error, "), field=place, hint="docs/how-to/deploy-to-kubernetes.md"
        ) from error
