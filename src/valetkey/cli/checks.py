"""What `valetkey doctor` looks at, in the order in which one thing depends on another."""

from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from valetkey.assemble import DEFAULT_PORT, House, head_file, opened
from valetkey.audit.checkpoint import contradiction
from valetkey.audit.head import read_head, untrusted
from valetkey.cli.key_sheet import pressing
from valetkey.cli.output import when
from valetkey.cli.passphrase import somebody
from valetkey.cli.registrations import refusal
from valetkey.connections import Refusal, providers
from valetkey.errors import ConfigError, IntegrityError, ManifestError, SettingsError
from valetkey.generation.words import TO_DO
from valetkey.identity.issuers import Issuer
from valetkey.manifest import Catalog, shipped
from valetkey.model import HOUR, SECOND, Json, Registration
from valetkey.people import Person
from valetkey.serving import listen_at, occupied
from valetkey.settings import FILE, Settings, home, is_loopback, load
from valetkey.vault.rotation import kek_states

_SKEW = 5 * SECOND


@dataclass(frozen=True, slots=True)
class Check:
    """How one thing is: `level` is ok, warn or fail; `to_do` says what to do about it."""

    level: str
    about: str
    text: str
    to_do: str | None = None

    def as_json(self) -> dict[str, Json]:
        return asdict(self)


async def examined() -> list[Check]:
    """Look at everything; what depends on something that fails is left out."""
    try:
        settings = load(home())
    except ConfigError as error:
        return [Check("fail", "settings", str(error))]
    outside = [
        Check("ok", "home", f"{settings.home}, closed to others"),
        *_hosts(settings),
        _public_url(settings),
        _connectors(settings),
    ]
    if any(check.level == "fail" for check in outside):
        return outside
    if settings.store is None and not settings.store_file.exists():
        none_yet = Check("warn", "store", "there is none yet", "`valetkey serve` makes one, with its key")
        return [*outside, none_yet, _port_before()]
    return outside + await _inside(settings)


def _hosts(settings: Settings) -> list[Check]:
    if not settings.hosts:
        return []
    loud = "TRYING OUT: what is meant for providers goes to this machine"
    to_do = "for real accounts take [hosts] out of valetkey.toml, and restart"
    each = [Check("warn", "hosts", f"{origin} -> {target}") for origin, target in settings.hosts.items()]
    return [Check("warn", "hosts", loud, to_do), *each]


def _public_url(settings: Settings) -> Check:
    if settings.public_url is None:
        to_do = "set it in valetkey.toml for clients and people elsewhere, and for Slack"
        return Check("warn", "public_url", "not set: only this machine reaches the server", to_do)
    return Check("ok", "public_url", settings.public_url)


def _connectors(settings: Settings) -> Check:
    try:
        catalog = Catalog.load(
            [shipped(), *settings.manifests], allow_hooks=[shipped(), *settings.allow_hooks]
        )
    except ManifestError as error:
        return Check("fail", "connectors", str(error), "`valetkey connectors check` names every problem")
    return Check("ok", "connectors", f"{', '.join(sorted(catalog.connectors))}: {len(catalog.tools)} tools")


async def _inside(settings: Settings) -> list[Check]:
    try:
        async with opened(settings, passphrases=somebody()) as house:
            return [
                *await _key(house),
                await _integrity(house),
                _copy(house),
                await _clock(house),
                *await _people(house),
                *await _registrations(house),
                *[await _issuer(house, issuer) for issuer in house.trust.issuers],
                *await _give_backs(house),
                await _head(house),
                await _port(house),
            ]
    except ConfigError as error:
        return [Check("fail", "store", str(error))]


async def _key(house: House) -> list[Check]:
    """Which root key opened the store, and what the keys under it need."""
    keks, ground = house.ground.keys.keks, house.ground
    found = [Check("ok", "key", f"{keks.source.key_id()} opens the store")]
    if keks.source.kind == "environment":
        text = "whoever may read the environment of this process has the key, also after it was taken out"
        found.append(
            Check("warn", "key", text, "prefer a file or a passphrase; `valetkey keys move` moves it")
        )
    if step := pressing(await kek_states(ground.store), ground.clock.now()):
        found.append(Check("warn", "key", step))
    return found


async def _integrity(house: House) -> Check:
    settings = house.ground.settings
    found = await house.ground.store.damage()
    if found is None:
        return Check("ok", "store", f"{'the database' if settings.store else settings.store_file} is sound")
    return Check("fail", "store", f"damaged: {found}", "stop the server and restore a backup")


def _copy(house: House) -> Check:
    """Whether this is the copy of the store that acts."""
    gate = house.ground.gate
    if gate.reason is None:
        return Check("ok", "copy", f"the live one, generation {gate.now.number if gate.now else '?'}")
    return Check("fail", "copy", f"not used: {gate.asleep()}", TO_DO)


async def _clock(house: House) -> Check:
    """A clock that was set back makes tokens live longer, and events stand in the wrong order."""
    ground, settings = house.ground, house.ground.settings
    row = await ground.store.one("SELECT MAX(at) AS at FROM audit")
    files = (settings.home / FILE, settings.key_file, settings.store_file)
    changed = [file.stat().st_mtime_ns // 1_000_000 for file in files if file.exists()]
    ahead = max([*changed, (row and row["at"]) or 0]) - ground.clock.now()
    if ahead <= _SKEW:
        return Check("ok", "clock", "not before anything that was written here")
    text = f"it is {ahead // SECOND} seconds behind what was written here already"
    return Check("fail", "clock", text, "set the machine's clock; until then tokens and grants last too long")


async def _people(house: House) -> list[Check]:
    everybody = await house.accounts.all(house.ground.store)
    if not everybody:
        return [Check("warn", "people", "nobody yet", "`valetkey people add NAME` adds a person")]
    joined = sum(person.joined for person in everybody)
    count = Check("ok", "people", f"{len(everybody)} added, {joined} joined")
    return [count, *await _passkeys(house, everybody), *await _guessed_at(house, everybody)]


async def _passkeys(house: House, everybody: list[Person]) -> list[Check]:
    """Those that were made for another host than this server has now: no browser uses them here."""
    passkeys, store = house.passkeys, house.ground.store
    hosts = await passkeys.elsewhere(store)
    if not hosts:
        return []
    text = f"some are for {', '.join(hosts)}, and this server is {passkeys.host} now"
    shut_out = [one.name for one in everybody if one.joined and not await _gets_in(house, one)]
    to_do = "their people sign in with a password, and add new ones at *Sign-in and sessions*"
    if shut_out:
        to_do = f"`valetkey people invite NAME` for those who have nothing else: {', '.join(shut_out)}"
    return [Check("warn", "passkeys", text, to_do)]


async def _gets_in(house: House, person: Person) -> bool:
    return person.has_password or bool(await house.passkeys.here(house.ground.store, person.principal))


async def _guessed_at(house: House, everybody: list[Person]) -> list[Check]:
    """Whose passwords somebody tried to guess lately."""
    store, now = house.ground.store, house.ground.clock.now()
    bursts = [(one.name, await house.accounts.burst(store, one)) for one in everybody]
    to_do = "`valetkey audit list` has each try, and who signed in since; a passkey cannot be guessed"
    return [
        Check(
            "warn",
            "sign-in",
            f"{burst.count} wrong passwords for {name}, the last {_ago(now - burst.last)} ago",
            to_do,
        )
        for name, burst in bursts
        if burst
    ]


def _ago(milliseconds: int) -> str:
    hours = milliseconds // HOUR
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours" if hours >= 2 else "less than two hours"


async def _registrations(house: House) -> list[Check]:
    registrations, store = house.connections.registrations, house.ground.store
    found, refused = await registrations.all(store), await registrations.refusals(store)
    checks = [_registration(one, house, refused.get(one.name)) for one in found]
    known = {one.provider for one in found}
    wanted = providers(house.ground.catalog.connectors.values())
    for provider in (one for one in wanted if one not in known):
        to_do = f"`valetkey registrations add {provider} --client-id …`, or leave its connectors unused"
        checks.append(Check("warn", "registration", f"none at {provider}", to_do))
    return checks


def _registration(one: Registration, house: House, last: Refusal | None) -> Check:
    provider, redirect_uri = one.provider, house.connections.flows.redirect_uri(one.name)
    if last is not None:
        text = f"{one.name}: {provider} does not take it ({last.error}), the last time at {when(last.at)}"
        to_do = f"if its id or secret is wrong, `valetkey registrations remove {one.name}` and add it again"
        return Check("fail", "registration", text, to_do)
    text = f"{one.name} at {provider}: redirect URI {redirect_uri}"
    refused = refusal(provider, redirect_uri)
    if refused is None:
        return Check("ok", "registration", text)
    if house.ground.settings.hosts:
        refused = f"fine while [hosts] sends it to the sandbox; the real {refused}"
    return Check("warn", "registration", text, refused)


async def _issuer(house: House, issuer: Issuer) -> Check:
    """What can be said of another issuer without asking it: `valetkey issuers check` asks."""
    rules, secrets = issuer.rules, house.trust.secrets
    text = f"{issuer.key}: {issuer.url}, for tokens with the audience {issuer.audience}"
    if rules.sign_in:
        text += f"; redirect URI {house.trust.sign_ins.redirect_uri(issuer)}"
    if rules.introspection and not await secrets.has(issuer, rules.introspection.client_id):
        to_do = f"`valetkey issuers secret {issuer.key} --stdin`: without it, none of its tokens count"
        return Check("fail", "issuer", f"{text}; no secret to ask about its tokens with", to_do)
    return Check("ok", "issuer", text)


async def _give_backs(house: House) -> list[Check]:
    """Connections that have ended here while their provider could not be told."""
    row = await house.ground.store.one("SELECT COUNT(*) AS waiting FROM give_backs")
    if row is None or not row["waiting"]:
        return []
    text = f"{row['waiting']} ended ones have still to be told to their providers"
    return [Check("warn", "connections", text, "`valetkey serve` goes on telling them, for a day")]


async def _head(house: House) -> Check:
    ground, file = house.ground, head_file(house.ground.settings)
    try:
        outside = read_head(file)
    except IntegrityError as error:
        return Check("fail", "audit", str(error))
    if outside is None:
        signed = await ground.store.one("SELECT seq FROM checkpoints LIMIT 1")
        if signed is None:
            return Check("ok", "audit", "no head is signed yet; `valetkey serve` signs one a minute")
        return Check(
            "fail", "audit", f"{file} is missing", "put it back from a backup; see `valetkey audit verify`"
        )
    wrong = untrusted(outside, ground.keys) or await contradiction(ground.store, outside.head, ground.keys)
    if wrong:
        return Check("fail", "audit", wrong, "`valetkey audit verify` says what is missing or changed")
    return Check("ok", "audit", f"holds the head that was signed outside the store, event {outside.head.seq}")


async def _port(house: House) -> Check:
    """Whether our own server answers where it would be, or anybody could listen there."""
    parts = urlsplit(house.ground.public_url)
    port = (parts.port or 80) if is_loopback(parts.hostname or "") else DEFAULT_PORT
    there = await occupied(house.ground, port)
    if there.foreign:
        return _taken(there.foreign)
    if there.ours:
        return Check("ok", "port", f"a server of this home answers on {port}")
    return Check("ok", "port", f"{port} on this machine is free: no server runs there")


def _port_before() -> Check:
    """The same on a home that has no key yet to tell its own server from another program."""
    try:
        for listener in listen_at("127.0.0.1", DEFAULT_PORT):
            listener.close()
    except SettingsError:
        return _taken(str(DEFAULT_PORT))
    return Check("ok", "port", f"{DEFAULT_PORT} on this machine is free: no server runs there")


def _taken(where: str) -> Check:
    text = f"{where} on this machine is taken by something else"
    return Check("warn", "port", text, "`valetkey serve --port` takes another")
