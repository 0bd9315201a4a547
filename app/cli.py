"""The command line. Imports nothing heavy: children of the fork server import this module again."""

import argparse
import os
import sys
from importlib import import_module
from typing import NoReturn

COMMANDS = {
    "serve": "run the API and its training workers",
    "worker": "run one training worker beside an API that runs elsewhere on the same data folder",
    "migrate": "bring the database to this version's tables",
    "demo": "start a service and do the whole main job on real data",
}


def main() -> None:
    """Run `backpropd <command>`."""
    parser = argparse.ArgumentParser(
        prog="backpropd", description="Train neural networks over HTTP.", epilog="See each command's --help."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == wanted:  # its options are the settings, whose module takes a while to import
            _add_options(command, name)
    options = vars(parser.parse_args())
    command = options.pop("command")
    own = {name: options.pop(name) for name in ("lifeline", "check", "exit") if name in options}
    import_module("app.commands").COMMANDS[command](_settings(options), **own)


def _add_options(parser: argparse.ArgumentParser, command: str) -> None:
    settings = import_module("app.settings")
    for name, field in settings.Settings.model_fields.items():
        default = "" if field.default is None or field.default_factory else f" (default: {field.default})"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="VALUE",
            help=f"{field.description} Also {settings.PREFIX}{name.upper()}.{default}".replace("%", "%%"),
        )
    if command == "worker":
        parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
        parser.add_argument(
            "--check", action="store_true", help="only say whether a worker of this host is alive"
        )
    if command == "demo":
        parser.add_argument("--exit", action="store_true", help="end after the job instead of serving on")


def _settings(options: dict[str, str | None]) -> object:
    settings = import_module("app.settings")
    try:
        return settings.Settings.load(os.environ, **options)
    except ValueError as error:
        _refuse(error)


def _refuse(error: ValueError) -> NoReturn:
    lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]  # type: ignore[attr-defined]  # pydantic's
    sys.exit("backpropd: wrong settings\n  " + "\n  ".join(lines))


if __name__ == "__main__":
    main()
