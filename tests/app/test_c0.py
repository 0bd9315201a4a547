import time


def test_it(service):
    for p in ("/healthz", "/v1/networks"):
        ts = []
        for _ in range(20):
            t = time.perf_counter()
            service.client.get(p)
            ts.append(time.perf_counter() - t)
        print(p, [round(x * 1000, 1) for x in ts])
    ts = []
    for _ in range(20):
        t = time.perf_counter()
        service.client.request("POST", "/v1/networks", headers={"Origin": "null"})
        ts.append(time.perf_counter() - t)
    print([round(x * 1000, 1) for x in ts])
    ts = []
    for _ in range(10):
        t = time.perf_counter()
        service.upload(b"a,b\n1,2\n")
        ts.append(time.perf_counter() - t)
    print([round(x * 1000, 1) for x in ts])
    service.context.settings
    from app.children import call

    for _ in range(5):
        t = time.perf_counter()
        call("app.datasets.formats:label", "x", seconds=5, memory=1 << 30) if False else None
    import os

    t = time.perf_counter()
    for _ in range(10):
        call("os:getcwd2", seconds=5, memory=1 << 30) if False else None
