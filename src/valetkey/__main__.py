"""`python -m valetkey`: the command line, for a server that starts itself again in a session of its own."""

from valetkey.cli import main

main()
