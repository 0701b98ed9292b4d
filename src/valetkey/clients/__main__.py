"""`python -m valetkey.clients > docs/reference/clients.md`: the page about clients, anew from the data."""

import sys

from valetkey.clients.reference import page

if __name__ == "__main__":
    sys.stdout.write(page() + "\n")
