"""The stage on which `demo` and `rehearse` play: the real loop in front of a simulated forge, and what people see of it."""
