"""The rules: pure decisions, no I/O, no clock."""
