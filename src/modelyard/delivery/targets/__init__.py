"""Targets: where an installation runs, described once and rendered as manifests. Pure: text in, text out, nothing is contacted.

    documents = kubernetes(Target(name="yard", image="registry.example.com/modelyard:0.1.0"))
    text = as_yaml(documents)

Each document knows which file it belongs to; `references` tells what a person has to make first.
"""

from modelyard.delivery.targets.dockerfile import dockerfile
from modelyard.delivery.targets.kserve import kserve
from modelyard.delivery.targets.kubernetes import kubernetes
from modelyard.delivery.targets.model import ControlPlane, Reference, Resources, Scaling, Target, read_target, references
from modelyard.delivery.targets.writing import Decide, Document, as_yaml, by_file

__all__ = [
    "ControlPlane",
    "Decide",
    "Document",
    "Reference",
    "Resources",
    "Scaling",
    "Target",
    "as_yaml",
    "by_file",
    "dockerfile",
    "kserve",
    "kubernetes",
    "read_target",
    "references",
]
