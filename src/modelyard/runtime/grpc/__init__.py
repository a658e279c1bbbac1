"""The Open Inference Protocol, version 2, over gRPC, on a port of its own (as Triton has it).

Needs the extra `grpc`. The same answering as over HTTP: routed, checked, logged before it is said.
"""

from modelyard.runtime.grpc.server import GrpcServer

__all__ = ["GrpcServer"]
