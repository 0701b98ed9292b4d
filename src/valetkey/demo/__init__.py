"""The demo: the whole story on this machine, with real parts and invented people."""
