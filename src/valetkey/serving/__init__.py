"""Serving a house over HTTP. Nothing is decided here but where to listen, and that a public address
needs a public URL.
"""

from valetkey.assemble import DEFAULT_PORT
from valetkey.serving.application import endpoints_of, pages_application
from valetkey.serving.listening import is_ours, listen, listen_in_turn, public_url
from valetkey.serving.running import Serving, running, serve, serve_application, until_signal

__all__ = [
    "DEFAULT_PORT",
    "Serving",
    "endpoints_of",
    "is_ours",
    "listen",
    "listen_in_turn",
    "pages_application",
    "public_url",
    "running",
    "serve",
    "serve_application",
    "until_signal",
]
