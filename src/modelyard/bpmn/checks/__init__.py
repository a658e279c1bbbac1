"""The checks of `modelyard.bpmn.lint`, by what they look at: structure, tokens, elements, events, expressions."""
