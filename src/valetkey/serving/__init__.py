"""Serving a house over HTTP. Nothing is decided here but where to listen, and that a public address
needs a public URL.
"""

from valetkey.assemble import DEFAULT_PORT
from valetkey.serving.application import endpoints_of, pages_application
from valetkey.serving.listening import listen, listen_at, listen_in_turn, public_url, refuse_second
from valetkey.serving.presence import occupied
from valetkey.serving.running import Serving, running, serve, serve_application, until_signal
from valetkey.serving.sockets import Patience, patience_of

__all__ = [
    "DEFAULT_PORT",
    "Patience",
    "Serving",
    "endpoints_of",
    "listen",
    "listen_at",
    "listen_in_turn",
    "occupied",
    "pages_application",
    "patience_of",
    "public_url",
    "refuse_second",
    "running",
    "serve",
    "serve_application",
    "until_signal",
]
