"""A house with a sandbox that it is connected to: the one that the tests of connections stand on."""

from tests.connections.conftest import here, served, turning

__all__ = ["here", "served", "turning"]
