"""HTTP by hand: what no client library would send."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple


class Answer(NamedTuple):
    """What came back before the connection was closed, or before it had been silent for a while."""

    status: int | None  # None where nothing came
    headers: dict[str, str]
    body: bytes
    closed: bool


def connect(url: str, timeout: float = 10, receive_buffer: int | None = None) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(timeout)
    client.connect((host, int(port)))
    return client


def read_all(client: socket.socket, enough: Callable[[bytes], bool] = lambda _: False) -> tuple[bytes, bool]:
    """Everything until the other side closes, or there is enough, or the socket's timeout; whether it closed."""
    received = b""
    while not enough(received):
        try:
            piece = client.recv(1 << 16)
        except TimeoutError:
            return received, False
        except ConnectionResetError:
            return received, True
        if not piece:
            return received, True
        received += piece
    return received, False


def answer_to(client: socket.socket) -> Answer:
    """All that comes until the other side closes."""
    received, closed = read_all(client)
    return _parsed(received, closed)


def exchange(url: str, request: bytes, timeout: float = 10) -> Answer:
    """Send these bytes; the first answer to them."""
    with connect(url, timeout) as client:
        with suppress(ConnectionError):  # it may have been answered and closed already
            client.sendall(request)
        received, closed = read_all(client, _is_whole)
        return _parsed(received, closed)


def _parsed(received: bytes, closed: bool) -> Answer:
    if not received:
        return Answer(None, {}, b"", closed)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body, closed)


def _is_whole(received: bytes) -> bool:
    if b"\r\n\r\n" not in received:
        return False
    answer = _parsed(received, closed=False)
    if "content-length" in answer.headers:
        return len(answer.body) >= int(answer.headers["content-length"])
    return answer.body.endswith(b"0\r\n\r\n")
