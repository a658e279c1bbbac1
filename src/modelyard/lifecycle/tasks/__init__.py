"""Human tasks of life cycles: opened by a step, claimed, decided, and kept as approval records."""
