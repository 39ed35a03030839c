"""The local database of runs, effects and decisions: SQLAlchemy Core over one SQLite file.

Deleting the file is allowed: stages come back from the forge's labels, only history and spend are lost.
"""
