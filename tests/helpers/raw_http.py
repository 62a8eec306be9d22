"""HTTP written by hand: what client libraries refuse to send."""

import socket
from urllib.parse import urlsplit

from browser import PATIENCE


def exchange(address, *lines, body=b"", again=1):
    """Send a raw request with its body repeated; return the server's answer."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), PATIENCE) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        try:
            for _ in range(again):
                connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has heard enough
        answer = b""
        try:
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionResetError:
            pass
    return answer
