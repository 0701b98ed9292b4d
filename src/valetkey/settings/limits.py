"""`[limits]`: how much one caller or one person may take, so that nobody uses up what is everybody's."""

from typing import Annotated

from pydantic import Field

from valetkey.settings.values import Table

Count = Annotated[int, Field(ge=1)]


class LimitsSettings(Table):
    """The defaults are such that nobody notices them who does not try."""

    calls_per_minute: Count = 120
    burst: Count = 60
    provider_calls_per_minute: Count = 6_000
    connections: Count = 100
    browsers: Count = 50
    clients: Count = 200
    sockets: Count = 4_096
    sockets_per_address: Count = 100
