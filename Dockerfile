# Build: a virtual environment that holds the locked packages and the project's wheel, and no tools.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements-postgres.txt ./
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --require-hashes --only-binary :all: -r requirements-postgres.txt
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY app app
COPY migrations migrations
# pip compiles the bytecode: the final stage writes none. /data is made here for its owner alone.
RUN /venv/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /venv/bin/python -m pip install --no-index --no-deps /wheel/*.whl \
    && /venv/bin/python -m pip uninstall --yes setuptools pip \
    && mkdir /data

FROM python:3.11-slim
COPY --from=build /venv /venv
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 BACKPROPD_DATA=/data
# No entry in /etc/passwd is needed for it. It writes to /data and /tmp alone, so the root file
# system may be read-only.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["backpropd"]
CMD ["serve", "--host", "0.0.0.0"]
