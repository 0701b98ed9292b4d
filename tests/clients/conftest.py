"""The clients of this folder, or a loud skip where they cannot be had."""

from pathlib import Path

import pytest

from tests.clients.claude import Claude
from tests.clients.node import NoClientsError, Node, installed


@pytest.fixture(scope="session")
def node() -> Node:
    """Node with the clients of the lock file."""
    try:
        return installed()
    except NoClientsError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def claude(node: Node, tmp_path: Path) -> Claude:
    """Claude Code with a home of its own."""
    return Claude(node, tmp_path / "claude")
