"""The root key under which the tests' stores stand."""

ROOT_KEY = bytes(range(32))
