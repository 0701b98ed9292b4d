"""What a client says of itself (RFC 7591 section 2), and the little of it that is believed and kept.

Links and logos are not: the person is shown where the client leads, which it cannot choose freely.
"""

from collections.abc import Mapping, Sequence

from valetkey.errors import OAuthError
from valetkey.manifest.clean import parse_json
from valetkey.model import Json
from valetkey.pages import plain


def read_metadata(body: bytes) -> Mapping[str, Json]:
    """Raises OAuthError `invalid_client_metadata` for anything but a JSON object."""
    try:
        metadata = parse_json(body)
    except ValueError:
        raise wrong("this is not JSON") from None
    if not isinstance(metadata, dict):
        raise wrong("client metadata are a JSON object")
    return metadata


def name_of(metadata: Mapping[str, Json], otherwise: str) -> str:
    """Return the name a client gives itself: on one line, nothing invisible in it, and not endless."""
    name = metadata.get("client_name", "")
    if not isinstance(name, str):
        raise wrong("`client_name` has to be text")
    return plain(name) or otherwise


def method_of(metadata: Mapping[str, Json], methods: Sequence[str]) -> str:
    """Return how a client authenticates; the first of `methods` where it does not say."""
    method = metadata.get("token_endpoint_auth_method", methods[0])
    if method not in methods:
        raise wrong(f"`token_endpoint_auth_method` has to be one of {', '.join(methods)}")
    return str(method)


def wrong(description: str) -> OAuthError:
    """Return the refusal of metadata (RFC 7591 section 3.2.2)."""
    return OAuthError("invalid_client_metadata", description)
