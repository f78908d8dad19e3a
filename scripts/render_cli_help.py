"""Renders the help of whisperq and of each of its subcommands as one Markdown page.

usage: render_cli_help.py PROGRAM PAGE [--check]
"""

import json
import pathlib
import subprocess
import sys

HEAD = """# The commands of whisperq

<!-- Written by scripts/docs.sh from the program's help; do not edit. -->
"""


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def command_paths(command, path=()):
    """The words of every command that help shows, the program itself first."""
    yield path
    for child in command.get("subcommands", []):
        if child.get("shouldDisplay", True) and child["commandName"] != "help":
            yield from command_paths(child, (*path, child["commandName"]))


def page(program):
    tree = json.loads(output(program, "--experimental-dump-help"))["command"]
    parts = [HEAD]
    for path in command_paths(tree):
        text = output(program, *path, "--help")
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"## {' '.join(('whisperq', *path))}\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


def main():
    program, place = sys.argv[1], pathlib.Path(sys.argv[2])
    text = page(program)
    if "--check" not in sys.argv[3:]:
        place.write_text(text, encoding="utf-8")
    elif not place.exists() or place.read_text(encoding="utf-8") != text:
        print(f"error: {place} is out of date; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
