"""A connection that sends once what is written in one turn of the event loop: an answer's head and its body together.

uvicorn writes them one by one, and each writing is a call to the system that wakes the client.
"""

import asyncio
from typing import Any

MOST = 64 << 10  # bytes that wait; with more the other transport must be able to say that it is enough


class CorkedTransport(asyncio.Transport):
    """Another transport, but for what it writes."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have the data sent at the end of this turn."""
        if not data:
            return
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(bytes(data))
        self._waiting += len(data)
        if self._waiting > MOST:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._pieces:
            data, self._pieces, self._waiting = b"".join(self._pieces), [], 0
            self._transport.write(data)

    def close(self) -> None:
        """Send what waits, and close once it is taken."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._pieces, self._waiting = [], 0
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not taken."""
        return self._transport.get_write_buffer_size() + self._waiting

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        """Of the other transport."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take nothing more for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes again."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol take what comes."""
        self._transport.set_protocol(protocol)
