"""What a model can be: the contract of a kind, its registry, and the kinds that ship with Modelyard.

`contract` and `signature` are the vocabulary; `registry` finds kinds by entry point, so that nobody imports a concrete one;
`sandbox` runs whatever touches an untrusted file in a child process; `infer` reads a signature from a sample;
`compliance` is the suite that every kind, ours or a stranger's, has to pass.
"""
