"""What the commands of the command line do. Each imports what it needs alone: a worker needs no FastAPI."""

import logging
import select
import sys
from importlib import import_module

from app.observability import configure_logging
from app.settings import Settings

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Run the API and its workers."""
    configure_logging(settings.log_level)
    module = import_module("app.serve")
    try:
        module.serve(settings)
    except (module.InsecureBind, import_module("app.schema").DatabaseAway) as error:
        sys.exit(f"backpropd: {error}")


def api(settings: Settings, *, lifeline: int, listening: int) -> None:
    """Answer requests beside the process that listens."""
    configure_logging(settings.log_level)
    import_module("app.serve").answer(settings, listening, lifeline)


def worker(settings: Settings, *, lifeline: int | None, check: bool) -> None:
    """Run a worker once the database has this version's tables; with `check`, only say whether one is alive here."""
    configure_logging(settings.log_level)
    if check:
        sys.exit(0 if import_module("app.worker").alive(settings) else "no worker of this host is alive")
    while (pause := _seconds_to_wait(settings)) > 0:
        if select.select([] if lifeline is None else [lifeline], [], [], pause)[0]:
            return  # the parent is gone
    import_module("app.worker").main(settings, lifeline)


def _seconds_to_wait(settings: Settings) -> float:
    """0 once there is a database with this version's tables, else the time until the next look."""
    schema = import_module("app.schema")
    try:
        return 0.0 if schema.is_current(settings) else 0.2
    except schema.DatabaseAway as error:  # it may be about to start
        logger.warning(str(error))
        return 2.0


def migrate(settings: Settings) -> None:
    """Bring the database to this version's tables."""
    configure_logging(settings.log_level)
    schema = import_module("app.schema")
    try:
        schema.migrate(settings)
    except schema.DatabaseAway as error:
        sys.exit(f"backpropd: {error}")


def keys(settings: Settings, *, action: str, **options: object) -> None:
    """Make, list or revoke keys."""
    configure_logging("warning")
    import_module("app.key_commands").ACTIONS[action](settings, **options)


def backup(settings: Settings, **options: object) -> None:
    """Write a backup, or check one."""
    configure_logging("warning")
    import_module("app.backup.commands").back_up(settings, **options)


def restore(settings: Settings, **options: object) -> None:
    """Go back to a backup."""
    configure_logging("warning")
    import_module("app.backup.commands").go_back(settings, **options)


def demo(settings: Settings, *, exit: bool) -> None:  # noqa: A002 - the option's name
    """Do the whole main job on real data."""
    sys.exit(import_module("app.demo.main_job").demo(settings, keep_serving=not exit))


COMMANDS = {
    "serve": serve,
    "api": api,
    "worker": worker,
    "migrate": migrate,
    "keys": keys,
    "backup": backup,
    "restore": restore,
    "demo": demo,
}
