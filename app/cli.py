"""The command line. Imports nothing heavy, so that whoever asks for help has it at once."""

import argparse
import os
import sys
from importlib import import_module
from typing import NoReturn

COMMANDS = {
    "serve": "run the API and its training workers",
    "worker": "run one training worker beside an API that runs elsewhere on the same data folder",
    "migrate": "bring the database to this version's tables",
    "keys": "make, list and revoke keys, without which everybody who reaches the service may do everything",
    "backup": "write everything into one file while the service runs, or check such a file",
    "restore": "fill an empty data folder and database from such a file",
    "demo": "start a service and do the whole main job on real data",
}


def main() -> None:
    """Run `backpropd <command>`."""
    keep_from_children()
    parser = argparse.ArgumentParser(
        prog="backpropd", description="Train neural networks over HTTP.", epilog="See each command's --help."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == wanted:  # its options are the settings, whose module takes a while to import
            _add_options(command, name)
    if wanted == "api":  # for `serve` alone, so that no help lists it
        command = commands.add_parser("api")
        _add_settings(command)
        command.add_argument("--listening", type=int, required=True)
        command.add_argument("--lifeline", type=int, required=True)
    options = vars(parser.parse_args())
    command = options.pop("command")
    fields = import_module("app.settings").Settings.model_fields
    own = {name: options.pop(name) for name in options.keys() - fields.keys()}
    import_module("app.commands").COMMANDS[command](_settings(options), **own)


def keep_from_children() -> None:
    """Have no child of the fork server import this program's main module again: some 10 ms each, for nothing."""
    main_module = sys.modules["__main__"]
    main_module.__spec__ = None
    vars(main_module).pop("__file__", None)


def _add_options(parser: argparse.ArgumentParser, command: str) -> None:
    if command == "keys":
        _add_key_commands(parser)
        return
    if command in {"backup", "restore"}:
        _add_backup_options(parser, command)
        return
    _add_settings(parser)
    if command == "worker":
        parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
        parser.add_argument(
            "--check", action="store_true", help="only say whether a worker of this host is alive"
        )
    if command == "demo":
        parser.add_argument("--exit", action="store_true", help="end after the job instead of serving on")


def _add_settings(parser: argparse.ArgumentParser, only: frozenset[str] = frozenset()) -> None:
    settings = import_module("app.settings")
    for name, field in settings.Settings.model_fields.items():
        if only and name not in only:
            continue
        default = "" if field.default is None or field.default_factory else f" (default: {field.default})"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="VALUE",
            help=f"{field.description} Also {settings.PREFIX}{name.upper()}.{default}".replace("%", "%%"),
        )


def _add_key_commands(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = actions.add_parser("create", help="make a key and print it, this once")
    create.add_argument(
        "--owner", required=True, help="whose data sets, networks, jobs and models the key sees"
    )
    create.add_argument(
        "--scope",
        required=True,
        choices=("read", "write", "admin"),
        help="what it permits; each includes those before it. admin: keys, the log of changes, backups",
    )
    create.add_argument(
        "--expires-days", type=int, metavar="N", help="end it after so many days; left out: never"
    )
    create.add_argument("--note", default="", help="what it is for")
    create.add_argument(
        "--adopt", action="store_true", help="give the owner all that was made while there were no keys"
    )
    listing = actions.add_parser("list", help="show all keys, without their secrets")
    listing.add_argument("--owner", help="only keys of this owner")
    revoke = actions.add_parser("revoke", help="end a key, at once and for good")
    revoke.add_argument("key_id", metavar="ID", help="the key's id, key_...")
    for action in (create, listing, revoke):
        _add_settings(action, only=frozenset({"data", "database_url"}))


def _add_backup_options(parser: argparse.ArgumentParser, command: str) -> None:
    parser.add_argument("file", metavar="FILE", help="the archive; a new one, for backup")
    if command == "backup":
        parser.add_argument(
            "--check",
            dest="check_only",
            action="store_true",
            help="look at everything in FILE, and write nothing",
        )
    _add_settings(parser, only=frozenset({"data", "database_url"}))


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
