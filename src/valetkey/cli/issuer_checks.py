"""What `valetkey issuers check` looks at: what an issuer publishes, and what its uses here need of it."""

from collections.abc import AsyncIterator

from valetkey.cli.checks import Check
from valetkey.errors import IssuerFailed
from valetkey.identity.discovery import Metadata
from valetkey.identity.issuers import Issuer
from valetkey.identity.trust import Trust


async def examined(trust: Trust, issuer: Issuer) -> list[Check]:
    """Ask the issuer; what depends on an answer that fails is left out."""
    try:
        metadata = await trust.discovery.metadata(issuer)
    except IssuerFailed as error:
        return [Check("fail", "metadata", str(error))]
    found = [Check("ok", "metadata", f"of this issuer, at {metadata.found_at}"), await _keys(trust, issuer)]
    found += [check async for check in _uses(trust, issuer, metadata)]
    return found


async def _keys(trust: Trust, issuer: Issuer) -> Check:
    try:
        keys = (await trust.discovery.keys(issuer)).keys
    except IssuerFailed as error:
        return Check("fail", "keys", str(error))
    algorithms = {str(key.alg) for key in keys if key.alg}
    if algorithms and not algorithms & set(issuer.rules.algorithms):
        text = f"all are for {', '.join(sorted(algorithms))}, which `algorithms` in valetkey.toml leaves out"
        return Check("fail", "keys", text)
    return Check("ok", "keys", f"{len(keys)} to check signatures with")


async def _uses(trust: Trust, issuer: Issuer, metadata: Metadata) -> AsyncIterator[Check]:
    rules = issuer.rules
    if rules.sign_in:
        place = metadata.authorize and metadata.token
        yield _needed("sign-in", place, "authorization_endpoint and token_endpoint")
        text = f"register {trust.sign_ins.redirect_uri(issuer)} there"
        yield Check("ok", "redirect URI", text)
        if not await trust.secrets.has(issuer, rules.sign_in.client_id):
            yield Check("warn", "secret", "none is sealed for signing in: fine for a public client alone")
    if rules.introspection:
        yield _needed("introspection", metadata.introspect, "introspection_endpoint")
        if not await trust.secrets.has(issuer, rules.introspection.client_id):
            text = f"none is sealed: `valetkey issuers secret {issuer.key} --stdin` takes it"
            yield Check("fail", "secret", text)


def _needed(about: str, place: str | None, name: str) -> Check:
    if place is None:
        return Check("fail", about, f"it publishes no {name}")
    return Check("ok", about, f"at {place}")
