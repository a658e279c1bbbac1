"""The parts of the comparison that are named, or all."""

import sys

from benchmarks.against import main

main(sys.argv[1:])
