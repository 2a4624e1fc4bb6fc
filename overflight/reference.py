"""The reference of the command line, written from the parsers themselves.

``python -m overflight.reference > docs/commands.md`` writes it anew; a test holds the file current,
so that no option, setting or environment variable goes undocumented.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from overflight.cli import COMMANDS, EXIT_STATUSES, build_parser, leaves
from overflight_contract.commandline import environment_name, setting_key, setting_options

HEAD = """\
# Commands

Written by `python -m overflight.reference`; a test holds it current.

Every option can be set in three ways; the first that is there counts:

1. on the command line: `--policy observe`;
2. in the environment: `OVERFLIGHT_RELAY_POLICY=observe`;
3. in a TOML file, under the section of the command: `[relay]`, then `policy = "observe"`.

The file is the one that `--config FILE` names, else `$OVERFLIGHT_CONFIG`, else `overflight.toml`
where you stand. A key that no option has is refused, so that a slip does not pass unnoticed.
Passwords come from files or the environment, never from options.

```
{statuses}
```
"""


def commands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield every command with its words, in the order of the help texts."""
    if path:
        yield path, parser
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, child in action.choices.items():
                yield from commands(child, (*path, name))


def text() -> str:
    """Return the whole reference as Markdown."""
    parser = build_parser(list(COMMANDS))
    parts = [HEAD.format(statuses=EXIT_STATUSES)]
    for path, command in commands(parser):
        found = [section for section, leaf in leaves(parser, path) if leaf is command]
        parts.append(_command(path, command, found[0] if found else None))
    return "\n".join(parts)


def _command(path: tuple[str, ...], parser: argparse.ArgumentParser, section: str | None) -> str:
    lines = [f"## overflight {' '.join(path)}", "", parser.description or "", ""]
    lines += [f"- `{action.metavar or action.dest}`: {_help(action)}" for action in _words(parser)]
    options = list(setting_options(parser))
    if options and section is not None:
        if lines[-1]:
            lines.append("")
        lines += ["| option | setting | environment | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(action, section) for action in options]
    if parser.epilog:
        lines += ["", "```", parser.epilog, "```"]
    return "\n".join(lines).rstrip() + "\n"


def _words(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield action


def _row(action: argparse.Action, section: str) -> str:
    words = ", ".join(f"`{option}`" for option in action.option_strings)
    value = "" if action.nargs == 0 else f" {_value(action)}"
    key = f"`[{section}] {setting_key(action)}`"
    variable = f"`{environment_name(section, setting_key(action))}`"
    return f"| {words}{value} | {key} | {variable} | {_help(action)} |"


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "`" + "\\|".join(map(str, action.choices)) + "`"
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return f"`{metavar}`"


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%").replace("|", "\\|")
    default = action.default
    if isinstance(default, set | frozenset):
        default = ", ".join(sorted(map(str, default)))
    told = "default" in text or default in (None, False, argparse.SUPPRESS, [], (), "")
    if action.option_strings and not told:
        text += f" (default: {default})"
    return text


if __name__ == "__main__":
    sys.stdout.write(text())
