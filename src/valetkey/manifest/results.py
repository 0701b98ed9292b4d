"""Holding results to the schema published for them: jsonschema decides, where a quick look does not."""

from valetkey.manifest.arguments import FORMATS, Validator
from valetkey.manifest.plainly import plainly
from valetkey.model import Json


class Results:
    """Checks results against one schema. A list of fifty items takes jsonschema a millisecond."""

    def __init__(self, schema: dict[str, Json]) -> None:
        self._plainly = plainly(schema)
        self._validator = Validator(schema, format_checker=FORMATS)

    def is_valid(self, result: Json) -> bool:
        """Say whether the schema accepts this result."""
        return self._plainly(result) or bool(self._validator.is_valid(result))
