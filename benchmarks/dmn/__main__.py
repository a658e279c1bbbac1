"""`python -m benchmarks.dmn`"""

from benchmarks.dmn import main

main()
