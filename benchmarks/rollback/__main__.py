"""`python -m benchmarks.rollback --times 50`"""

from __future__ import annotations

import argparse
import sys

from benchmarks.rollback import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Promote and roll back under load.")
    parser.add_argument("--times", type=int, default=50)
    report = main(parser.parse_args().times)
    sys.exit(1 if report.failures or report.late else 0)
