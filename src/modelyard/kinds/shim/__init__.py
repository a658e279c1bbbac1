"""The shim: a small program of ours that serves a model in an interpreter which need not hold Modelyard.

It needs the standard library alone and runs on Python 3.9 to 3.13; NumPy is used when the model's environment has it. The
platform shares its parts: `wire` is how parents talk to children, `confine` is how children give up their rights, `serving` is
the loop of every child that keeps a model.
"""
