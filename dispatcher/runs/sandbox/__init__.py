"""Sandboxes: what a run or a check may see of this machine, and the command line that makes it so."""
