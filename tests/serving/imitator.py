"""Another program on a port of ours, in a process of its own.

`imitator.py ADDRESS PORT TEXT` answers everything with a text; `… --relay HOST PORT` passes everything on to
whoever listens there, and back. It says `ready` once it listens.
"""

import socket
import sys
import threading

ADDRESS, PORT, *WHAT = sys.argv[1:]
FAMILY = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET


def answer(client: socket.socket) -> None:
    """Serve one connection."""
    with client:
        asked = client.recv(65536)
        if WHAT[0] == "--relay":
            with socket.create_connection((WHAT[1], int(WHAT[2]))) as there:
                there.sendall(asked)
                while some := there.recv(65536):
                    client.sendall(some)
        else:
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(WHAT[0])}\r\n\r\n"
            )
            client.sendall((head + WHAT[0]).encode())


with socket.create_server((ADDRESS, int(PORT)), family=FAMILY) as listener:
    print(f"ready {listener.getsockname()[1]}", flush=True)  # noqa: T201 - whoever started it waits for this
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=answer, args=(accepted,), daemon=True).start()
