"""Plain Kubernetes: runtimes as a StatefulSet with volumes for their segments, the control plane, and what keeps both up."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from modelyard.delivery.targets.model import DATA, PROBE_EVERY, PROBE_MISSES, ControlPlane, Target
from modelyard.delivery.targets.writing import Decide, Document

PART = "app.kubernetes.io/component"
_OWN = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_API_PORT = 7900


def kubernetes(target: Target) -> list[Document]:
    """Every document, those first that others need."""
    documents = [_namespace(target), _account(target)]
    if target.control_plane is not None:
        documents += _control_plane(target, target.control_plane)
    documents += [_runtimes(target), *_services(target), _disruption(target), *_policies(target)]
    if target.autoscale is not None:
        documents.append(_autoscaler(target))
    return documents


def labels(target: Target, part: str) -> dict[str, str]:
    """What selects the pods of a part, and nothing else."""
    return {"app.kubernetes.io/name": "modelyard", "app.kubernetes.io/instance": target.name, PART: part}


def runtime_container(target: Target, name: str = "runtime") -> dict[str, Any]:
    """The runtime as a container; its volumes are `data`, `tmp`, `trust-roots`, `token` and `pseudonyms`."""
    ports = [{"name": "http", "containerPort": target.http_port}]
    if target.grpc_port is not None:
        ports.append({"name": "grpc", "containerPort": target.grpc_port})
    return {
        "name": name,
        "image": Decide(target.image, "name the image by its digest (…@sha256:…) where it must not change"),
        "args": _runtime_arguments(target),
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        **_store(target),
        "ports": ports,
        "startupProbe": _probe("/v2/health/live", period=2, failures=60),
        "livenessProbe": _probe("/v2/health/live", period=10, failures=3),
        "readinessProbe": _probe("/v2/health/ready", period=PROBE_EVERY, failures=PROBE_MISSES),
        "resources": target.resources.manifest(),
        "securityContext": _CONTAINED,
        "volumeMounts": [
            {"name": "data", "mountPath": str(DATA)},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  a volume of the pod's own
            {"name": "trust-roots", "mountPath": "/etc/modelyard/trust", "readOnly": True},
            {"name": "token", "mountPath": "/etc/modelyard/token", "readOnly": True},
            {"name": "pseudonyms", "mountPath": "/etc/modelyard/pseudonyms", "readOnly": True},
        ],
    }


def runtime_volumes(target: Target) -> list[dict[str, Any]]:
    """Its volumes but for `data`."""
    return [
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "trust-roots", "configMap": {"name": target.trust_roots}},
        {"name": "token", "secret": {"secretName": target.token_secret}},
        {"name": "pseudonyms", "secret": {"secretName": target.pseudonym_secret}},
    ]


def _runtime_arguments(target: Target) -> list[str]:
    arguments = [
        "-m",
        "modelyard.runtime",
        "--host=0.0.0.0",
        f"--port={target.http_port}",
        f"--home={DATA}",
        "--name=$(POD_NAME)",
        f"--source={target.source_url}",
        "--trust-roots=/etc/modelyard/trust/trust-roots.json",
        "--token-file=/etc/modelyard/token/token",
        "--pseudonym-key-file=/etc/modelyard/pseudonyms/key",
        f"--workers={target.workers}",
        f"--drain-seconds={target.drain_seconds}",
        f"--stop-seconds={target.stop_seconds}",
    ]
    if target.grpc_port is not None:
        arguments.append(f"--grpc-port={target.grpc_port}")
    if target.segments is not None:
        shipping = (f"--segments={target.segments}", f"--acknowledge={target.acknowledge}", f"--seal-after={target.seal_after:g}")
        arguments += shipping
    return arguments


def _store(target: Target) -> dict[str, Any]:
    return {"envFrom": [{"secretRef": {"name": target.store_secret}}]} if target.store_secret else {}


def _probe(path: str, *, period: int, failures: int, port: str = "http") -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": period, "timeoutSeconds": 2, "failureThreshold": failures}


def _meta(target: Target, name: str, part: str) -> dict[str, Any]:
    return {"name": name, "namespace": target.namespace, "labels": labels(target, part)}


def _namespace(target: Target) -> Document:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    content = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target.namespace, "labels": level}}
    return Document("00-namespace.yaml", "Pods here may do nothing that the strictest pod security standard forbids.", content)


def _account(target: Target) -> Document:
    meta = _meta(target, target.name, "account")
    content = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False}
    return Document(
        "00-namespace.yaml", "Nothing here talks to the cluster's API. Bind a role of the object store to it.", content
    )


def _pod(
    target: Target, part: str, containers: list[dict[str, Any]], volumes: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    return {
        "metadata": {"labels": labels(target, part)},
        "spec": {
            "serviceAccountName": target.name,
            "automountServiceAccountToken": False,
            "securityContext": _OWN,
            **more,
            "containers": containers,
            "volumes": volumes,
        },
    }


# --- the data plane


def _runtimes(target: Target) -> Document:
    spread = {
        "maxSkew": 1,
        "whenUnsatisfiable": Decide("ScheduleAnyway", "DoNotSchedule where replicas must never share a node"),
        "labelSelector": {"matchLabels": labels(target, "runtime")},
    }
    more = {
        "terminationGracePeriodSeconds": target.grace_seconds,
        "topologySpreadConstraints": [
            {"topologyKey": "kubernetes.io/hostname", **spread},
            {"topologyKey": "topology.kubernetes.io/zone", **spread},
        ],
    }
    pod = _pod(target, "runtime", [runtime_container(target)], runtime_volumes(target), **more)
    replicas = {} if target.autoscale else {"replicas": target.replicas}
    content = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _meta(target, target.runtime, "runtime"),
        "spec": {
            **replicas,
            "serviceName": f"{target.runtime}-headless",
            "podManagementPolicy": "Parallel",
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": labels(target, "runtime")},
            "template": pod,
            "volumeClaimTemplates": [_claim(target)],
        },
    }
    return Document("20-runtime.yaml", _about_log(target), content)


def _about_log(target: Target) -> str:
    if target.acknowledge == "object-store":
        return f"Runtimes. An answer is acknowledged when its log row is in {target.segments}: a lost volume loses none."
    shipped = (
        f" Sealed segments follow to {target.segments}." if target.segments else " Nothing ships them elsewhere: see `segments`."
    )
    return f"Runtimes. An answer is acknowledged when its log row is on the pod's volume, which must not be lost.{shipped}"


def _claim(target: Target) -> dict[str, Any]:
    storage: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": target.storage_size}}}
    if target.storage_class is not None:
        storage["storageClassName"] = Decide(
            target.storage_class, "a disk with a flush that is one, near the node: it is in the path"
        )
    return {"metadata": {"name": "data", "labels": labels(target, "runtime")}, "spec": storage}


def _services(target: Target) -> list[Document]:
    ports: list[dict[str, Any]] = [{"name": "http", "port": target.http_port, "targetPort": "http"}]
    if target.grpc_port is not None:
        ports.append({"name": "grpc", "port": target.grpc_port, "targetPort": "grpc"})
    spec = {"selector": labels(target, "runtime"), "ports": ports}
    headless = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(target, f"{target.runtime}-headless", "runtime"),
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, **spec},
    }
    balancing = {"apiVersion": "v1", "kind": "Service", "metadata": _meta(target, target.runtime, "runtime"), "spec": spec}
    about = "What callers use. It balances connections, not calls: put a proxy that knows HTTP/2 before it for gRPC."
    return [
        Document("20-runtime.yaml", "Gives each runtime a name of its own, which its decision log and refusals bear.", headless),
        Document("20-runtime.yaml", about, balancing),
    ]


def _disruption(target: Target) -> Document:
    alone = target.replicas == 1 and target.autoscale is None
    allowed = {"minAvailable": Decide(1, "with one replica a node is drained by hand only")} if alone else {"maxUnavailable": 1}
    content = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta(target, target.runtime, "runtime"),
        "spec": {
            **allowed,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": labels(target, "runtime")},
        },
    }
    return Document("20-runtime.yaml", "One runtime at a time may be taken away on purpose.", content)


def _autoscaler(target: Target) -> Document:
    assert target.autoscale is not None
    use = {"type": "Utilization", "averageUtilization": target.autoscale.cpu_percent}
    content = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(target, target.runtime, "runtime"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": target.runtime},
            "minReplicas": target.autoscale.least,
            "maxReplicas": target.autoscale.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": use}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }
    about = "A runtime that is scaled away keeps its volume; with `segments` its log is shipped when it ends."
    return Document("30-autoscaling.yaml", about, content)


# --- the control plane


def _control_plane(target: Target, plane: ControlPlane) -> list[Document]:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _meta(target, f"{target.name}-home", "api"),
        "spec": {
            "accessModes": Decide(
                ["ReadWriteOnce"], "API and worker share it and so run on one node; ReadWriteMany where they may not"
            ),
            "resources": {"requests": {"storage": plane.home_size}},
            **({"storageClassName": target.storage_class} if target.storage_class else {}),
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(target, target.api, "api"),
        "spec": {"selector": labels(target, "api"), "ports": [{"name": "http", "port": _API_PORT, "targetPort": "http"}]},
    }
    return [
        Document("10-control-plane.yaml", "Keys, checkpoints, outcomes and the collected decision log. Back it up.", claim),
        _initialising(target, plane),
        _api(target, plane),
        Document("10-control-plane.yaml", "Put TLS before it: tokens travel in the clear here.", service),
        _worker(target, plane),
    ]


def _program(target: Target, plane: ControlPlane, name: str, arguments: list[str], **more: Any) -> dict[str, Any]:
    told = {
        "MODELYARD_HOME": str(DATA),
        "MODELYARD_HOST": "0.0.0.0",  # noqa: S104  within the pod; the network policy says who may come
        "MODELYARD_PORT": str(_API_PORT),
        "MODELYARD_BLOBS": plane.blobs,
    }
    if target.segments is not None:
        told["MODELYARD_SEGMENTS"] = target.segments
    database = {"secretKeyRef": {"name": plane.database_secret, "key": "url"}}
    return {
        "name": name,
        "image": target.image,
        "args": arguments,
        "env": [*({"name": n, "value": v} for n, v in told.items()), {"name": "MODELYARD_DATABASE", "valueFrom": database}],
        **_store(target),
        **more,
        "resources": plane.resources.manifest(),
        "securityContext": _CONTAINED,
        "volumeMounts": [{"name": "home", "mountPath": str(DATA)}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


def _volumes(target: Target) -> list[dict[str, Any]]:
    home = {"name": "home", "persistentVolumeClaim": {"claimName": f"{target.name}-home"}}
    return [home, {"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}}]


def _initialising(target: Target, plane: ControlPlane) -> Document:
    container = _program(target, plane, "initialise", ["-m", "modelyard.cli", "deploy", "initialise"])
    content = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _meta(target, f"{target.name}-initialise", "initialise"),
        "spec": {
            "backoffLimit": 6,
            "ttlSecondsAfterFinished": Decide(
                86400, "the first run's log shows the administrator's token, once: read it, then delete the Job"
            ),
            "template": _pod(target, "initialise", [container], _volumes(target), restartPolicy="OnFailure"),
        },
    }
    about = (
        "Migrates the database; makes keys, gates and the first administrator where there are none. Run it before each update."
    )
    return Document("10-control-plane.yaml", about, content)


def _api(target: Target, plane: ControlPlane) -> Document:
    probes = {
        "ports": [{"name": "http", "containerPort": _API_PORT}],
        "startupProbe": _probe("/health/live", period=2, failures=60),
        "livenessProbe": _probe("/health/live", period=10, failures=3),
        "readinessProbe": _probe("/health/ready", period=5, failures=2),
    }
    container = _program(target, plane, "api", ["-m", "modelyard.api"], **probes)
    about = "One API process. While it is away runtimes go on with what they have, and restart with it."
    return _deployment(target, "api", target.api, container, about)


def _worker(target: Target, plane: ControlPlane) -> Document:
    container = _program(target, plane, "worker", ["-m", "modelyard.worker"])
    beside = {"labelSelector": {"matchLabels": labels(target, "api")}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}}
    about = "Loops and jobs; also collects and compacts the decision log. On the API's node, for the volume that they share."
    return _deployment(target, "worker", f"{target.name}-worker", container, about, affinity=affinity)


def _deployment(target: Target, part: str, name: str, container: dict[str, Any], about: str, **more: Any) -> Document:
    pod = _pod(target, part, [container], _volumes(target), terminationGracePeriodSeconds=60, **more)
    content = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(target, name, part),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels(target, part)},
            "template": pod,
        },
    }
    return Document("10-control-plane.yaml", about, content)


# --- who may talk to whom


def _policies(target: Target) -> list[Document]:
    ports = [port for port in (target.http_port, target.grpc_port) if port is not None]
    callers: list[dict[str, Any]] = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in target.callers
    ]
    within: dict[str, Any] = {"podSelector": {}}
    runtime = _policy(
        target,
        target.runtime,
        "runtime",
        [{"from": Decide([within, *callers], "name the namespaces of callers as `callers`"), "ports": _tcp(*ports)}],
        [*_egress(target), *_to_source(target)],
    )
    documents = [Document("40-network.yaml", "Who may ask runtimes, and whom they may ask.", runtime)]
    if target.control_plane is not None:
        api = _policy(target, target.api, "api", [{"from": [within, *callers], "ports": _tcp(_API_PORT)}], _egress(target))
        worker = _policy(target, f"{target.name}-worker", "worker", [], _egress(target))
        job = _policy(target, f"{target.name}-initialise", "initialise", [], _egress(target))
        documents += [Document("40-network.yaml", "The control plane.", each) for each in (api, worker, job)]
    return documents


def _policy(target: Target, name: str, part: str, ingress: list[Any], egress: list[Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _meta(target, name, part),
        "spec": {
            "podSelector": {"matchLabels": labels(target, part)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _egress(target: Target) -> list[dict[str, Any]]:
    names = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
    stores = {
        "ports": Decide(_tcp(443, 5432), "object store and PostgreSQL by port only; narrow it to their addresses with `to`")
    }
    return [names, stores]


def _to_source(target: Target) -> list[dict[str, Any]]:
    if target.source is None:
        return [{"to": [{"podSelector": {"matchLabels": labels(target, "api")}}], "ports": _tcp(_API_PORT)}]
    parts = urlsplit(target.source)
    return [{"ports": _tcp(parts.port or (443 if parts.scheme == "https" else 80))}]


def _tcp(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]
