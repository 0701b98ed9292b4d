"""The one guarded way out: permitted origins, checked addresses, no redirects, caps on size and time.

`out` is the file to read first. What a reply means, and where credentials come from, is for other rooms.
"""

from valetkey.egress.mail import Mail, MailServer
from valetkey.egress.messages import Credential, Credentials, Incoming, Limits, Outgoing, is_401
from valetkey.egress.out import Egress, Upstream
from valetkey.egress.permit import origin_of
from valetkey.egress.routes import Rules

__all__ = [
    "Credential",
    "Credentials",
    "Egress",
    "Incoming",
    "Limits",
    "Mail",
    "MailServer",
    "Outgoing",
    "Rules",
    "Upstream",
    "is_401",
    "origin_of",
]
