"""What programs log: lines on stderr, which stop nobody where they cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WRITER = """
import os, resource, structlog
from modelyard.core.logs import configure_logs

configure_logs()
log = structlog.get_logger("test")
log.info("there is room")
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(2).st_size, before[1]))
for turn in range(200):
    log.error("there is none", turn=turn, detail="." * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, before)
log.info("there is room again")
print("it went on")
"""


def test_a_log_on_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=log, timeout=60, check=False)
    told = (tmp_path / "log").read_text()
    assert (done.returncode, done.stdout) == (0, b"it went on\n"), told
    assert "there is room\n" in told
    assert "there is room again" in told


def test_a_log_that_nobody_reads_any_more_stops_nobody() -> None:
    program = "import sys\nfrom modelyard.core.logs import configure_logs\nimport structlog\nconfigure_logs()\nsys.stdin.read()\n"
    program += "for turn in range(100):\n    structlog.get_logger().error('x' * 1000)\nprint('it went on')\n"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stderr is not None
        writer.stderr.close()
        writer.stderr = None
        told, _ = writer.communicate(timeout=60)
    assert (writer.returncode, told) == (0, b"it went on\n")
