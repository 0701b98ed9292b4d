"""What one call still lacks: a connection, scopes, a grant. All of it is one access request, one page.

`Needs.met` is asked before every call; `Answers` is what a person's answer on the page does.
"""

from valetkey.needs.answers import Answers, Asked, Offered, Waiting
from valetkey.needs.met import Needs
from valetkey.needs.requests import AccessRequest, Requests

__all__ = ["AccessRequest", "Answers", "Asked", "Needs", "Offered", "Requests", "Waiting"]
