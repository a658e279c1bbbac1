"""What is served now: worked out from one verified snapshot, immutable, swapped whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from modelyard.core.errors import InvalidInput, NotFound
from modelyard.decisions import Pseudonyms, Stamp
from modelyard.decisions.protection import Cipher, Protector
from modelyard.decisions.schema import DECISION_TABLE
from modelyard.dmn import DmnError
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime.engine import ModelServer
from modelyard.runtime.routing import Rule, Shares
from modelyard.trust.statements import ArmRole, EndpointRoutes, Stale


class Hiding(Protocol):
    """Pseudonyms and, where there is one, the cipher for protected fields."""

    @property
    def pseudonyms(self) -> Pseudonyms: ...

    @property
    def cipher(self) -> Cipher | None: ...


@dataclass(frozen=True)
class ServingArm:
    """An arm that may answer until `until` (seconds since 1970), with its loaded model."""

    name: str
    role: ArmRole
    share: float
    version: str
    manifest: str
    release: str
    until: float
    model: ModelServer


@dataclass(frozen=True)
class LiveSlot:
    """A champion or challenger of the snapshot, in its order; without an arm when it was refused, and then why."""

    name: str
    arm: ServingArm | None
    refused: str


@dataclass(frozen=True)
class ServedEndpoint:
    """One endpoint: who takes part in the draw, who stands in, and what holds when the snapshot grows old."""

    routes: EndpointRoutes
    live: tuple[LiveSlot, ...]
    shares: Shares
    fallbacks: tuple[ServingArm, ...]
    shadows: tuple[ServingArm, ...]
    stale_at: float
    inputs: frozenset[str] = field(init=False)
    contract: ModelServer | None = field(init=False)
    specs: dict[str, FieldSpec] = field(init=False)
    rules: tuple[Rule, ...] = field(init=False)
    idle_rules: tuple[str, ...] = field(init=False)
    _protectors: dict[str | None, Protector | None] = field(init=False, default_factory=dict)
    _stamps: dict[tuple[str | None, str | None, float], Stamp] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        models = [arm.model for arm in self.arms]
        object.__setattr__(self, "inputs", frozenset(name for model in models for name in model.plan.names))
        object.__setattr__(self, "contract", models[0] if models else None)
        taken = models[0].predictor.signature.inputs if models else ()
        object.__setattr__(self, "specs", {spec.name: spec for spec in taken})
        rules, idle = _rules(self.routes, [slot.name for slot in self.live])
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "idle_rules", idle)

    @property
    def arms(self) -> tuple[ServingArm, ...]:
        """All that are loaded: champion first, then challengers, fallbacks, shadows."""
        live = [slot.arm for slot in self.live if slot.arm is not None]
        live.sort(key=lambda arm: arm.role is not ArmRole.CHAMPION)
        return (*live, *self.fallbacks, *self.shadows)

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """What callers get: the outputs of the first arm (the champion, when it is there)."""
        return self.contract.predictor.signature.outputs if self.contract else ()

    def version(self, wanted: str) -> LiveSlot:
        """The champion or challenger of that version (name or manifest digest). Raises NotFound: others may not be asked
        for by name."""
        for slot in self.live:
            if slot.arm is not None and wanted in (slot.arm.version, slot.arm.manifest):
                return slot
        raise NotFound(f"version {wanted!r:.80} is no champion or challenger of {self.routes.name!r}")

    def policy(self, now: float) -> Stale:
        """What to do at this moment: SERVE unless the snapshot is too old."""
        return Stale.SERVE if now < self.stale_at else self.routes.stale

    def can_answer(self, now: float) -> bool:
        """Whether somebody can answer at this moment: the constant, or an arm that is in force and has started."""
        policy = self.policy(now)
        if policy is Stale.REFUSE:
            return False
        arms = self.fallbacks if policy is Stale.FALLBACK else [arm for arm in self.arms if arm not in self.shadows]
        return self.routes.constant is not None or any(now < arm.until and arm.model.ready() for arm in arms)

    def starting(self) -> list[str]:
        """The arms that cannot answer yet, and what their environment or process is doing."""
        return [f"{arm.name}: {arm.model.progress}" for arm in self.arms if not arm.model.ready()]

    def share(self, slot: LiveSlot) -> float:
        """The chance with which a slot is drawn."""
        return 1.0 if len(self.live) == 1 else next(arm.share for arm in self.routes.arms if arm.name == slot.name)

    def stamp(self, table: Table, slot: LiveSlot | None, arm: ServingArm | None, probability: float) -> Stamp:
        """What the rows of the log have in common that were drawn for one slot and answered by one arm (None: the constant)."""
        key = slot.name if slot else None, arm.name if arm else None, probability
        found = self._stamps.get(key)
        if found is None:
            found = self._stamps[key] = Stamp(DECISION_TABLE, self._common(table, slot, arm) | {"probability": probability})
        return found

    def prepare(self, table: Table) -> None:
        """Make what the first requests would have to wait for: the stamps of the rows that they are most likely to leave."""
        for slot in self.live:
            if slot.arm is not None:
                self.stamp(table, slot, slot.arm, self.share(slot))
        for arm in self.shadows:
            self.stamp(table, None, arm, arm.share)

    def protector(self, arm: ServingArm | None, names: Sequence[str], hidden: Hiding) -> Protector | None:
        """What is done to the fields of rows that this arm (None: the constant) answered before they are logged; None: nothing.
        `names` are the fields. An input that no model has read, of a name that nobody knows, may be a protected one misspelt: it
        is masked. Raises InvalidInput when something should be encrypted and there is no key."""
        policy = self.routes.policy
        if not policy.protect:
            return None
        key = arm.name if arm else None
        if arm is None or key not in self._protectors:
            server = arm.model if arm else self.contract
            signature = server.predictor.signature if server else None
            roles = {f.name: f.role.value for f in (*signature.inputs, *signature.outputs)} if signature else {}
            known = (*names, *roles, *(name for name in policy.protect if not name.startswith("role:")))
            how = {name: policy.protection(name, roles.get(name, "")).value for name in known}
            if arm is None:
                told = self.routes.constant.outputs if self.routes.constant is not None else {}
                how |= dict.fromkeys(set(names) - roles.keys() - policy.protect.keys() - told.keys(), "mask")
            self._protectors[key] = Protector.of(how, hidden.pseudonyms, hidden.cipher)
        return self._protectors[key]

    def _common(self, table: Table, slot: LiveSlot | None, arm: ServingArm | None) -> dict[str, str | int | None]:
        common: dict[str, str | int | None] = {
            "organisation": table.organisation,
            "use_case": self.routes.use_case,
            "endpoint": self.routes.name,
            "epoch": table.epoch,
            "requested_arm": slot.name if slot else None,
            "answered_arm": arm.name if arm else None,
            "role": arm.role.value if arm else "constant",
        }
        if arm is not None:
            common |= {"version": arm.version, "manifest": arm.manifest, "release": arm.release}
        return common

    def check_inputs(self, names: Sequence[str]) -> None:
        """Raises InvalidInput for an input that no arm knows."""
        if self.inputs:
            for name in names:
                if name not in self.inputs:
                    known = ", ".join(self.contract.plan.names) if self.contract else ""
                    raise InvalidInput(f"unknown input {name!r:.80}", field=name, hint=f"the model takes: {known}")


@dataclass(frozen=True)
class Table:
    """All endpoints of a snapshot; `refused` says why an endpoint is not served at all."""

    epoch: int
    digest: str
    organisation: str
    issued_at: datetime
    endpoints: dict[str, ServedEndpoint]
    refused: dict[str, str]

    def servers(self) -> list[ModelServer]:
        """The models that callers' requests may be sent to, each once."""
        arms = [arm for e in self.endpoints.values() for arm in (*(slot.arm for slot in e.live), *e.fallbacks)]
        return list({id(arm.model): arm.model for arm in arms if arm is not None}.values())


def _rules(routes: EndpointRoutes, live: list[str]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules that can hold, and a sentence for each of the others."""
    rules, idle = [], []
    for rule in routes.policy.rules:
        if rule.arm not in live:
            idle.append(f"{rule.when!r}: {rule.arm!r} is no champion or challenger")
            continue
        try:
            rules.append(Rule(rule.when, live.index(rule.arm)))
        except DmnError as error:
            idle.append(f"{rule.when!r}: {error}")
    return tuple(rules), tuple(idle)
