"""`python -m benchmarks.lifecycle`"""

from benchmarks.lifecycle import main

main()
