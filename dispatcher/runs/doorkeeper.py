"""The doorkeeper's front door: `python3 -I -S -E doorkeeper.py`, with its order on stdin. Standard library only."""

# ruff: noqa: PTH100, PTH120
import os
import sys

# At the end of the path, so that nothing that lies beside the package can stand in for the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from dispatcher.runs.doors.keeper import main

main()
