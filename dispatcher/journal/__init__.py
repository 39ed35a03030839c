"""The local database of runs, effects and decisions."""
