"""Carries out a Dockerfile's steps below a folder, for machines without a container engine.

Every absolute path of a step is taken below that folder. All stages share it, so a path is one file
in all of them, and what the last stage does not copy from another is deleted at the end.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# An image saves the space of pip's cache; here the cache saves the download.
NOT_SET = {"PIP_NO_CACHE_DIR"}
# What RUN steps see of this machine: how its pip is set up, and where its cache is.
MACHINE = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "HOME"}


@dataclass
class Stage:
    """One stage; the last one is the image."""

    root: Path
    env: dict[str, str]
    folder: Path = Path("/")
    kept: set[Path] = field(default_factory=set)  # what it copied from other stages
    user: int = 0
    commands: dict[str, list[str]] = field(default_factory=dict)  # ENTRYPOINT, CMD, HEALTHCHECK

    def here(self, text: str) -> str:
        """The text with every absolute path below the root."""
        return re.sub(r"(?<![\w.*/])/(?=\w)", f"{self.root}/", text)

    def do(self, keyword: str, arguments: str) -> None:
        """Carry out one instruction; fails on one that it does not know."""
        match keyword:
            case "ENV":
                for pair in shlex.split(arguments):
                    name, value = pair.split("=", 1)
                    if name not in NOT_SET:
                        self.env[name] = self.here(value).replace("$PATH", self.env["PATH"])
            case "WORKDIR":
                self.folder = Path(self.here(arguments))
                self.folder.mkdir(exist_ok=True)
            case "COPY":
                self._copy(arguments.split())
            case "RUN":
                self._run(self.here(arguments))
            case "USER":
                self.user = int(arguments.partition(":")[0])
            case "ENTRYPOINT" | "CMD" | "HEALTHCHECK":
                self.commands[keyword] = json.loads(arguments[arguments.index("[") :])
            case _:
                assert keyword in {"EXPOSE", "VOLUME"}, f"{keyword} is not known here"

    def _run(self, script: str) -> None:
        command = ["/bin/sh", "-ec", script]
        env = MACHINE | self.env
        run = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{script}\n{run.stdout}\n{run.stderr}"

    def _copy(self, arguments: list[str]) -> None:
        flags = dict(flag[2:].split("=") for flag in arguments if flag.startswith("--"))
        *sources, target = (path for path in arguments if not path.startswith("--"))
        if "from" in flags:
            assert sources == [target], "from another stage to the same path, since all share the root"
            self.kept.add(Path(self.here(target)))
            if "chown" in flags and os.getuid() == 0:
                shutil.chown(self.here(target), *map(int, flags["chown"].split(":")))
            return
        for source in map(Path, sources):  # the working folder is the build's context
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.folder / target, ignore=ignore, dirs_exist_ok=True)
            else:
                shutil.copy(source, self.folder / target)


def build(dockerfile: Path, root: Path) -> Stage:
    """Carry out every step below `root` and return the last stage."""
    base = root / "base"  # stands for the base image: its Python is this one
    base.mkdir()
    python = base / "python"  # a script, not a link, since Python finds its library by its own path
    python.write_text(f'#!/bin/sh\nexec "{Path(sys.base_prefix, "bin", "python3")}" "$@"\n')
    python.chmod(0o755)
    stage = Stage(root, {})
    for keyword, arguments in instructions(dockerfile.read_text()):
        if keyword == "FROM":
            stage = Stage(root, {"PATH": f"{base}:{SYSTEM_PATH}"})
        else:
            stage.do(keyword, arguments)
    for path in set(root.iterdir()) - stage.kept - {base}:
        shutil.rmtree(path)
    return stage


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction's keyword and arguments, comments dropped and continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            keyword, arguments = line.split(maxsplit=1)
            yield keyword, arguments
