"""The data plane: a small program of its own that serves what was released, and nothing else.

It pulls signed route snapshots, verifies every statement and every byte against trust roots that are configured locally,
answers over the Open Inference Protocol, and writes each decision to the log before the caller has it. It needs neither the
database nor a living control plane, not even to restart.
"""
