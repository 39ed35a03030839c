"""The order of things: one synchronous loop."""
