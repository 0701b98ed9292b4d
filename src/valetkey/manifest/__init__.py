"""Connectors as manifests: the file format, its loader, templates, shaping, and the catalog of tools.

Nothing here sends anything: `calls.run` fills a tool's requests and hands them to egress.
"""

from valetkey.manifest.catalog import Catalog
from valetkey.manifest.checking import check
from valetkey.manifest.connector import Connector, Tool
from valetkey.manifest.load import shipped
from valetkey.manifest.schema import json_schema
from valetkey.manifest.whoami import Account, whoami

__all__ = ["Account", "Catalog", "Connector", "Tool", "check", "json_schema", "shipped", "whoami"]
