"""What one call still lacks: a connection, scopes, a grant. All of it is one access request, one page.

`Needs.met` is asked before every call; `Reading` is what a person is shown, `Answers` what their answer does.
"""

from valetkey.needs.answers import Answers, Choice, Next
from valetkey.needs.asked import Asked, Reading, Waiting
from valetkey.needs.met import Found, Met, Needs
from valetkey.needs.parts import Part, Parts
from valetkey.needs.pasted import PastedSecrets
from valetkey.needs.request import AccessRequest
from valetkey.needs.requests import Requests
from valetkey.needs.stopping import Stopping
from valetkey.needs.trips import Trips

__all__ = [
    "AccessRequest",
    "Answers",
    "Asked",
    "Choice",
    "Found",
    "Met",
    "Needs",
    "Next",
    "Part",
    "Parts",
    "PastedSecrets",
    "Reading",
    "Requests",
    "Stopping",
    "Trips",
    "Waiting",
]
