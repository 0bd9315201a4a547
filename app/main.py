"""The application: all wiring, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app import docs, errors, health
from app.children import start_fork_server
from app.database import Database
from app.datasets.routes import router as datasets
from app.dependencies import Context
from app.hosts import TrustedHosts
from app.jobs.routes import router as jobs
from app.models.routes import router as models
from app.networks.routes import router as networks
from app.observability import HttpMetrics, RequestContext
from app.predictions.routes import router as predictions
from app.settings import Settings
from app.storage import Storage
from engine import __version__, kernels


def create_app(settings: Settings) -> FastAPI:
    """The service over the data folder and the database that `settings` name; the database is migrated."""
    kernels.use("numpy")  # which predictions are as quick with; a job has a process of its own
    registry = CollectorRegistry()
    context = Context(settings, Database(settings.url), Storage(settings.data), registry)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        start_fork_server()
        yield
        context.database.close()

    app = FastAPI(
        title="backpropd",
        summary="Train neural networks over HTTP.",
        description=docs.DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.context = context
    errors.install(app)
    docs.install(app)
    # Limits of the routers, not of the application: those would be outside all middleware.
    for router in (datasets, networks, jobs, models, health.router):
        app.include_router(router, max_body_size=settings.max_json_bytes)
    app.include_router(predictions, max_body_size=settings.max_predict_bytes)
    app.add_middleware(TrustedHosts, hosts=settings.hosts)
    app.add_middleware(RequestContext, metrics=HttpMetrics(registry))
    return app
