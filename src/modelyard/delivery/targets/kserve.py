"""KServe: our runtime as a custom ServingRuntime, and an InferenceService that uses it.

KServe's pods have no volumes that outlive them. So an answer is acknowledged after the object store, which `segments` names.
"""

from __future__ import annotations

from typing import Any

from modelyard.core.errors import InvalidInput
from modelyard.delivery.targets.kubernetes import labels, runtime_container, runtime_volumes
from modelyard.delivery.targets.model import Target
from modelyard.delivery.targets.writing import Document

FORMAT = "modelyard"
_CONTAINER = "kserve-container"


def kserve(target: Target) -> list[Document]:
    """The two documents. Raises InvalidInput without `segments`."""
    if target.segments is None:
        raise InvalidInput(
            "on KServe a pod's disk goes with the pod", field="segments", hint="name the store: s3://bucket/prefix"
        )
    safe = target.model_copy(update={"acknowledge": "object-store"})
    return [_runtime(safe), _service(safe)]


def _runtime(target: Target) -> Document:
    container = runtime_container(target, _CONTAINER)
    container["ports"] = [{"containerPort": target.http_port, "protocol": "TCP"}]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"] | {"port": target.http_port}
        container[probe] = container[probe] | {"httpGet": asked}
    content = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": target.runtime, "namespace": target.namespace, "labels": labels(target, "runtime")},
        "spec": {
            "supportedModelFormats": [{"name": FORMAT, "version": "1", "autoSelect": False}],
            "protocolVersions": ["v2"],
            "multiModel": False,
            "containers": [container],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": target.storage_size}}, *runtime_volumes(target)],
        },
    }
    about = f"Serves what the signed routes say; an answer is acknowledged when its log row is in {target.segments}."
    return Document("20-serving-runtime.yaml", about, content)


def _service(target: Target) -> Document:
    least, most = (target.autoscale.least, target.autoscale.most) if target.autoscale else (target.replicas, target.replicas)
    predictor: dict[str, Any] = {
        "minReplicas": least,
        "maxReplicas": most,
        "serviceAccountName": target.name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": target.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "model": {"modelFormat": {"name": FORMAT, "version": "1"}, "protocolVersion": "v2", "runtime": target.runtime},
    }
    if target.autoscale is not None:
        predictor |= {"scaleMetric": "cpu", "scaleTarget": target.autoscale.cpu_percent}
    content = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"},
        },
        "spec": {"predictor": predictor},
    }
    about = "No storageUri: runtimes pull released artifacts and verify them; what serves is changed by release and route."
    return Document("30-inference-service.yaml", about, content)
