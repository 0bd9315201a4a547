"""Bodies that schemathesis cannot write by itself: text and bytes go as they are."""

import schemathesis


@schemathesis.serializer(
    "application/x-ndjson", "application/vnd.apache.parquet", "application/vnd.apache.arrow.file"
)
def as_it_is(_: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.hook
def before_call(_: object, case: schemathesis.Case, __: object) -> None:
    """A chain of requests creates each time: an answer that is repeated may name what was deleted since."""
    if case.meta and case.meta.phase.name == "stateful" and case.headers:
        case.headers.pop("Idempotency-Key", None)
