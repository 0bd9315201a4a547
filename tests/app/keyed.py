"""A service with keys, for tests of what they permit."""

import ssl
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from app.auth import service as auth

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # made once: it takes longer than a request


@dataclass(frozen=True)
class Keyed:
    """A running service and a client of each key that was made."""

    service: object

    @property
    def database(self):
        return self.service.context.database

    def key(self, owner="ada", scope="write", **more):
        """A new key."""
        with self.database.write() as session:
            return auth.make(session, owner, scope, **more)

    def revoke(self, key_id):
        with self.database.write() as session:
            auth.revoke(session, key_id)

    @contextmanager
    def client(self, key=None, **headers):
        """A client that sends this key, and nothing of others' cookies."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key.key}"
        plain = httpx.HTTPTransport(verify=PLAIN)
        with httpx.Client(base_url=self.service.url, headers=headers, timeout=60, transport=plain) as client:
            yield client

    def get(self, key, path, **more):
        return self.request("GET", path, key, **more)

    def request(self, method, path, key=None, headers=None, **more):
        """One request with a key of its own."""
        with self.client(key) as client:
            return client.request(method, path, headers=headers, **more)
