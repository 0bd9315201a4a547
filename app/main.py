"""The application: all wiring, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app import docs, errors, health
from app.audit.routes import router as audit
from app.auth.gate import KeyGate
from app.auth.routes import router as auth
from app.batches.routes import router as batches
from app.children import start_fork_server
from app.database import Database
from app.datasets.routes import router as datasets
from app.dependencies import Context
from app.exchange.routes import router as exchange
from app.explanations.routes import router as explanations
from app.hosts import TrustedHosts
from app.jobs.routes import router as jobs
from app.models.routes import router as models
from app.networks.routes import router as networks
from app.observability import HttpMetrics, RequestContext
from app.predictions.job_routes import router as job_predictions
from app.predictions.quick import QuickPredictions
from app.predictions.routes import router as predictions
from app.protocols.other_routes import router as other_protocols
from app.protocols.v2_routes import router as inference
from app.registry.alias_routes import router as aliases
from app.registry.card_routes import router as cards
from app.registry.comparison_routes import router as comparisons
from app.remembered import Remembered
from app.request_limits import RequestLimits
from app.security_headers import SecurityHeaders
from app.settings import Settings
from app.storage import Storage
from app.webhooks.routes import router as webhooks
from engine import __version__, kernels


def create_app(settings: Settings) -> FastAPI:
    """The service over the data folder and the database that `settings` name; the database is migrated."""
    kernels.use("numpy")  # which predictions are as quick with; a job has a process of its own
    registry = CollectorRegistry()
    database = Database(settings.url)
    context = Context(settings, database, Storage(settings.data), registry, Remembered(database.version))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        start_fork_server()
        gate.prepare()
        yield
        context.database.close()

    app = FastAPI(
        title="backpropd",
        summary="Train neural networks over HTTP.",
        description=docs.DESCRIPTION,
        version=__version__,
        openapi_url=None,  # served by app.docs
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.context = context
    errors.install(app)
    docs.install(app)
    # Limits of the routers, not of the application: those would be outside all middleware.
    for router in (
        comparisons,
        datasets,
        networks,
        jobs,
        exchange,
        models,
        aliases,
        cards,
        batches,
        webhooks,
        auth,
        audit,
        health.router,
    ):
        app.include_router(router, max_body_size=settings.max_json_bytes)
    for router in (
        predictions,
        job_predictions,
        explanations,
        inference,
        other_protocols,
    ):  # which take records, images among them
        app.include_router(router, max_body_size=settings.max_predict_bytes)
    quick = QuickPredictions(app.router.middleware_stack, context)
    gate = KeyGate(quick, app.routes, context)
    app.router.middleware_stack = gate
    app.add_middleware(TrustedHosts, hosts=settings.hosts)
    app.add_middleware(RequestLimits)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestContext, metrics=HttpMetrics(registry))
    return app
