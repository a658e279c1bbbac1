"""Batches beside a plain loop: the same rows, the same model, the same machine, one after the other."""
