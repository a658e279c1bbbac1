"""What every demo needs: a folder of its own, and a port that is free."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from examples.stage import alone, free_port
from modelyard.core.errors import WrongState


def test_a_folder_that_holds_something_else_stays_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("the only copy")
    with pytest.raises(WrongState, match="holds something else"), alone(home):
        pass
    assert (home / "thesis.txt").read_text() == "the only copy"


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path / "home"), pytest.raises(WrongState, match="another demo"), alone(tmp_path / "home"):
        pass


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]
