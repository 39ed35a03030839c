"""The supervisor's front door: `python3 -I -S -E supervise.py ORDER`, or `--probe` instead of an order.

Of the package it loads twelve small files that need nothing but the standard library.
"""

# ruff: noqa: PTH100, PTH120
import os
import sys

# At the end of the path, so that nothing that lies beside the package can stand in for the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from dispatcher.runs.supervisor import main

sys.exit(main(sys.argv[1]))
