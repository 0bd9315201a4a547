"""What is written in one turn of the event loop is sent at once."""

import asyncio

from app.corked import MOST, CorkedTransport


class Wire(asyncio.Transport):
    """Notes what is sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def close(self):
        self.sent.append("closed")

    def abort(self):
        self.sent.append("aborted")

    def get_write_buffer_size(self):
        return 1


def test_head_and_body_go_together():
    async def scenario():
        wire = Wire()
        corked = CorkedTransport(wire, asyncio.get_running_loop())
        corked.write(b"head ")
        corked.write(b"")
        corked.write(memoryview(b"body"))
        assert wire.sent == []
        assert corked.get_write_buffer_size() == 1 + len(b"head body")
        await asyncio.sleep(0)
        assert wire.sent == [b"head body"]
        corked.write(b"more")
        corked.flush()
        await asyncio.sleep(0)
        assert wire.sent == [b"head body", b"more"]
        corked.write(b"x" * MOST)
        corked.write(b"y")  # is too much to wait
        assert wire.sent[2:] == [b"x" * MOST + b"y"]
        corked.write(b"last")
        corked.close()
        assert wire.sent[3:] == [b"last", "closed"]
        corked.write(b"lost")
        corked.abort()
        await asyncio.sleep(0)
        assert wire.sent[5:] == ["aborted"]
        assert corked.get_write_buffer_size() == 1

    asyncio.run(scenario())
