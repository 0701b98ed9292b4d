"""Built-in providers for the demo, the tests and contributors: big ones, some of no company, two issuers.

They are the oracle for our own OAuth client, so they share no code with it.
"""

from valetkey.sandbox.github import EIGHT_HOURS, GITHUB_CLIENT
from valetkey.sandbox.google import GOOGLE_CLIENT
from valetkey.sandbox.issuer import PAGES as CORP_CLIENT
from valetkey.sandbox.issuer import Issuer
from valetkey.sandbox.ledger import Refused
from valetkey.sandbox.pasted import KEYS, LOGINS, TOKENS
from valetkey.sandbox.people import ANA, BEN, CAROL, PEOPLE, Person
from valetkey.sandbox.provider import Client, Provider
from valetkey.sandbox.rules import Rules
from valetkey.sandbox.sandbox import Sandbox, hosts
from valetkey.sandbox.serving import running, serve
from valetkey.sandbox.slack import SLACK_CLIENT
from valetkey.sandbox.strict import STRICT_CLIENT

__all__ = [
    "ANA",
    "BEN",
    "CAROL",
    "CORP_CLIENT",
    "EIGHT_HOURS",
    "GITHUB_CLIENT",
    "GOOGLE_CLIENT",
    "KEYS",
    "LOGINS",
    "PEOPLE",
    "SLACK_CLIENT",
    "STRICT_CLIENT",
    "TOKENS",
    "Client",
    "Issuer",
    "Person",
    "Provider",
    "Refused",
    "Rules",
    "Sandbox",
    "hosts",
    "running",
    "serve",
]
