"""The doors of a run: the only ways out of its sandbox, watched by a doorkeeper outside."""
