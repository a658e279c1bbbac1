"""The image: one for every program of the platform, from the hashed lock, without build tools, not run by root."""

from __future__ import annotations

TEMPLATE = """\
# syntax=docker/dockerfile:1
# Written by `modelyard deploy render --dockerfile`; built from the root of the source:  docker build -f deploy/Dockerfile .
# decide: name the base images by digest (python:{python}-slim@sha256:…) where builds must be the same for ever.
ARG PYTHON={python}

FROM python:${{PYTHON}}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv --without-pip /opt/modelyard
WORKDIR /source
COPY deploy/requirements.txt deploy/requirements.txt
# Every package by its hash: one that is not in the lock, or not the same bytes, ends the build.
RUN python -m pip --python /opt/modelyard/bin/python install --require-hashes --only-binary=:all: -r deploy/requirements.txt
COPY deploy/build-requirements.txt deploy/build-requirements.txt
RUN python -m pip install --root-user-action=ignore --require-hashes --only-binary=:all: -r deploy/build-requirements.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
# The package itself is built with a build backend that stays in this stage.
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \\
 && python -m pip --python /opt/modelyard/bin/python install --no-deps --no-index /wheels/*.whl \\
 && /opt/modelyard/bin/python -m compileall -q -j 0 /opt/modelyard/lib

FROM python:${{PYTHON}}-slim AS final
# decide: versions that bring an environment of their own need a volume for what `uv` builds.
LABEL org.opencontainers.image.title="modelyard" \\
      org.opencontainers.image.description="Control plane, worker and runtime of Modelyard" \\
      org.opencontainers.image.version="{version}" \\
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip \\
 && groupadd --gid 10001 modelyard \\
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin modelyard \\
 && install -d -o modelyard -g modelyard /data
COPY --from=build /opt/modelyard /opt/modelyard
ENV PATH=/opt/modelyard/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MODELYARD_HOME=/data HEALTH_URL=http://127.0.0.1:{port}/v2/health/live
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 7900 {port} {grpc}
# For engines that look at it; Kubernetes has probes of its own. For the API: HEALTH_URL=http://127.0.0.1:7900/health/live
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \\
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(os.environ['HEALTH_URL'], timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python"]
CMD ["-m", "modelyard.runtime", "--help"]
"""


def dockerfile(version: str, *, python: str = "3.11", port: int = 7901, grpc: int = 7902) -> str:
    """The text of the Dockerfile. The programs are told apart by their arguments: `-m modelyard.api`, `.worker`, `.runtime`."""
    return TEMPLATE.format(version=version, python=python, port=port, grpc=grpc)
