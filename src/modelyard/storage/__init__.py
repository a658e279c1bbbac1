"""Adapters that keep records and blobs. Only `bootstrap` and tests name them; everything else knows the ports of `core`."""
