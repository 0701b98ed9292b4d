import tomllib

from jsonschema import Draft202012Validator

from valetkey.manifest import json_schema, shipped
from valetkey.manifest.schema import schema_text


def test_the_schema_file_is_fresh() -> None:
    assert (shipped() / "manifest.schema.json").read_text("utf-8") == schema_text()


def test_the_shipped_manifests_fit_the_published_schema() -> None:
    validator = Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    for path in shipped().glob("*/manifest.toml"):
        data = tomllib.loads(path.read_text("utf-8"))
        assert [error.message for error in validator.iter_errors(data)] == [], path
