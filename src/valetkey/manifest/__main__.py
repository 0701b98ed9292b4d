"""`python -m valetkey.manifest > manifests/manifest.schema.json`: the schema file, anew from the models."""

import sys

from valetkey.manifest.schema import schema_text

if __name__ == "__main__":
    sys.stdout.write(schema_text())
