"""A receiver of webhooks, written from the text of Standard Webhooks and not from our code."""

import base64
import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What has come, and what is answered: `answers` in turn, then 204."""

    url: str
    answers: list = field(default_factory=list)
    received: list = field(default_factory=list)

    def verified(self, secret):
        """The bodies of all messages, whose signatures are good and whose times are now."""
        key = base64.b64decode(secret.split("_", 1)[1], validate=True)
        assert secret.startswith("whsec_")
        assert 24 <= len(key) <= 64
        bodies = []
        for headers, body in self.received:
            signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
            version, signature = headers["webhook-signature"].split(",")
            assert version == "v1"
            assert base64.b64decode(signature) == hmac.new(key, signed, hashlib.sha256).digest()
            assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
            bodies.append(json.loads(body))
        return bodies


@contextmanager
def receiver(seconds=0.0, tls=None):
    """A receiver on a free port; `seconds`: how long it takes to answer; `tls`: with this context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listening.received.append((dict(self.headers), body))
            time.sleep(seconds)
            status = listening.answers.pop(0) if listening.answers else 204
            self.send_response(status)
            if status in (301, 302, 307, 308):
                self.send_header("Location", f"{listening.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    listening = Receiver(f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listening
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
