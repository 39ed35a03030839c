"""A GitHub in a box: HTTP and git on loopback."""
