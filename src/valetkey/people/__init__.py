"""Our own people, the sessions behind everything we issue, and the agents that act.

Who may act for whom is the business of `grants`; what a request's credential means, of `identity`.
"""

from valetkey.people.accounts import LOCAL, Accounts, Person, valid_name
from valetkey.people.agents import Agent, Agents, Kind
from valetkey.people.once import Once
from valetkey.people.passkeys import Passkey, Passkeys
from valetkey.people.sessions import Session, Sessions
from valetkey.people.tries import Tries
from valetkey.people.welcome import Welcome

__all__ = [
    "LOCAL",
    "Accounts",
    "Agent",
    "Agents",
    "Kind",
    "Once",
    "Passkey",
    "Passkeys",
    "Person",
    "Session",
    "Sessions",
    "Tries",
    "Welcome",
    "valid_name",
]
