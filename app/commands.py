"""What the commands of the command line do. Each imports what it needs alone: a worker needs no FastAPI."""

import sys
import time
from importlib import import_module

from app.observability import configure_logging
from app.settings import Settings


def serve(settings: Settings) -> None:
    """Run the API and its workers."""
    configure_logging(settings.log_level)
    module = import_module("app.serve")
    try:
        module.serve(settings)
    except module.InsecureBind as error:
        sys.exit(f"backpropd: {error}")


def worker(settings: Settings, *, lifeline: int | None, check: bool) -> None:
    """Run a worker once the database has this version's tables; with `check`, only say whether one is alive here."""
    configure_logging(settings.log_level)
    if check:
        sys.exit(0 if import_module("app.worker").alive(settings) else "no worker of this host is alive")
    schema = import_module("app.schema")
    while not schema.is_current(settings):
        time.sleep(0.2)
    import_module("app.worker").main(settings, lifeline)


def migrate(settings: Settings) -> None:
    """Bring the database to this version's tables."""
    configure_logging(settings.log_level)
    import_module("app.schema").migrate(settings)


def demo(settings: Settings, *, exit: bool) -> None:  # noqa: A002 - the option's name
    """Do the whole main job on real data."""
    sys.exit(import_module("app.demo.main_job").demo(settings, keep_serving=not exit))


COMMANDS = {"serve": serve, "worker": worker, "migrate": migrate, "demo": demo}
