"""`python -m benchmarks.lifecycle [part …]`"""

import sys

from benchmarks.lifecycle import main

main(sys.argv[1:])
