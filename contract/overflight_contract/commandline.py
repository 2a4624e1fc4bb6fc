"""What every command of the program shares: settings in three layers, exit statuses, small parsers.

A setting is any option of a command. It comes from the command line, else from the environment
(``OVERFLIGHT_`` and the command's section and the option: ``OVERFLIGHT_RELAY_UPSTREAM``), else
from the TOML file (``[relay]``, ``upstream = "…"``), else from the option's default. The file is
``--config FILE``, else ``$OVERFLIGHT_CONFIG``, else ``overflight.toml`` where you stand.
"""

from __future__ import annotations

import argparse
import datetime as dt
import enum
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from overflight_contract.errors import InputError

ENVIRONMENT_PREFIX: Final = "OVERFLIGHT_"
CONFIG_FILE: Final = "overflight.toml"


class Exit(enum.IntEnum):
    """Exit statuses, the same for every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNDECIDED = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130


def _terminal_width() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        pass
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as they are written and shows defaults."""

    def __init__(self, prog: str, indent_increment: int = 2, max_help_position: int = 24) -> None:
        # argparse would import shutil (and by it every archive format) for the terminal's width.
        super().__init__(prog, indent_increment, max_help_position, _terminal_width() - 2)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        shown = action.default not in (None, False, argparse.SUPPRESS, [], ())
        if shown and action.option_strings and "%(default)" not in text:
            text += " (default: %(default)s)"
        return text


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with a command line, and where help is.

    A list of words may be broken by options: ``watch URL -w FILE FILTER``.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and give words that are left over to the list that this command takes."""
        parsed, rest = super().parse_known_args(args, namespace)
        lists = [a for a in self._actions if not a.option_strings and a.nargs in ("*", "+")]
        if lists and rest and not any(word.startswith("-") for word in rest):
            setattr(parsed, lists[0].dest, [*getattr(parsed, lists[0].dest), *rest])
            rest = []
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        """End with status 2 and the sentence."""
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice is not None:
            import difflib

            names = re.findall(r"'([^']*)'", choice.group(2))
            near = difflib.get_close_matches(choice.group(1), names, n=1)
            message = f"there is no {choice.group(1)!r}; " + (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
            )
        self.exit(Exit.USAGE, f"{self.prog}: {message.rstrip('.')} (help: {self.prog} --help)\n")


def subcommand(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    *,
    run: Callable[[argparse.Namespace], int],
    examples: Sequence[str] = (),
    section: str | None = None,
) -> argparse.ArgumentParser:
    """Add a command with its examples; `section` names its settings (default: what is above it)."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[:1].upper() + summary[1:] + ".",
        epilog=epilog(examples),
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(run=run, section=section)
    return parser


def epilog(examples: Sequence[str]) -> str | None:
    """Return the part of a help text that shows examples."""
    if not examples:
        return None
    return "examples:\n" + "\n".join(f"  {example}" for example in examples)


def setting_options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options of `parser` that the environment and the file may set."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        if action.option_strings and action.dest not in ("help", "version", "config", "debug"):
            yield action


def setting_key(action: argparse.Action) -> str:
    """Name the setting of an option: its long form without dashes, ``picture-every``."""
    long = [option for option in action.option_strings if option.startswith("--")]
    return (long or list(action.option_strings))[0].lstrip("-")


def environment_name(section: str, key: str) -> str:
    """Name the environment variable of a setting: ``OVERFLIGHT_RELAY_UPSTREAM``."""
    return f"{ENVIRONMENT_PREFIX}{section}_{key}".upper().replace("-", "_").replace(".", "_")


def read_config(path: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Read the TOML file (see the module); an absent default file is an empty one."""
    named = path or environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
    file = Path(named or CONFIG_FILE)
    if not named and not file.is_file():
        return {}
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the settings file {file} is not valid TOML: {error}") from error


def apply_settings(
    parser: argparse.ArgumentParser,
    section: str,
    config: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Put values from the environment and the file in place of the defaults of `parser`.

    Raises `InputError` for a value that the option refuses and for a key that no option has.
    """
    table: Any = config
    for part in section.split("."):
        table = table.get(part, {}) if isinstance(table, Mapping) else {}
    if not isinstance(table, Mapping):
        raise InputError(f"[{section}] in the settings file is not a table")
    actions = {setting_key(action): action for action in setting_options(parser)}
    for key, value in table.items():
        if isinstance(value, Mapping):
            continue  # the section of a subcommand
        dashed = key.replace("_", "-")
        if dashed not in actions:
            raise InputError(f"[{section}] in the settings file has an unknown setting {key!r}")
        _set(parser, actions[dashed], value, f"{key!r} in [{section}] of the settings file")
    for key, action in actions.items():
        name = environment_name(section, key)
        if name in environ:
            _set(parser, action, environ[name], name)


_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def _set(parser: argparse.ArgumentParser, action: argparse.Action, value: Any, where: str) -> None:
    action.required = False
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        parser.set_defaults(**{action.dest: _boolean(value, where)})
        return
    many = isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+")  # noqa: SLF001
    given = value if isinstance(value, list) else [value]
    converted = [_convert(action, str(item), where) for item in given]
    if not many and len(converted) != 1:
        raise InputError(f"{where}: one value, not a list")
    parser.set_defaults(**{action.dest: converted if many else converted[0]})


def _boolean(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InputError(f"{where}: {value!r} is neither true nor false")


def _convert(action: argparse.Action, text: str, where: str) -> Any:
    try:
        value = action.type(text) if callable(action.type) else text
    except (argparse.ArgumentTypeError, ValueError, TypeError) as error:
        detail = str(error) if isinstance(error, argparse.ArgumentTypeError) else "is not valid"
        raise InputError(f"{where}: {text!r} {detail}") from error
    if action.choices is not None and value not in action.choices:
        choices = ", ".join(map(str, action.choices))
        raise InputError(f"{where}: {text!r} is not one of {choices}")
    return value


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?")
_LONGEST_S = 106_751 * 86_400.0
"""What a signed 64-bit number of nanoseconds holds, in whole days."""
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(text: str) -> float:
    """Parse a duration into seconds: ``90``, ``90s``, ``1.5h``, ``2m30s``, ``800ms``."""
    stripped = text.strip().lower()
    parts = list(_DURATION.finditer(stripped))
    if not parts or "".join(part.group(0) for part in parts) != stripped:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; as in 90s, 2m30s or 1.5h")
    found = sum(float(part.group(1)) * _SECONDS[part.group(2) or "s"] for part in parts)
    if found > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is too long; the longest is 106751d")
    return found


_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def size_bytes(text: str) -> int:
    """Parse a size into bytes: ``512``, ``64k``, ``1.5M``, ``2GiB``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; as in 512, 64k, 1.5M or 2GiB")
    return int(float(match.group(1)) * _SIZES[match.group(2) or ""])


class HostPort(NamedTuple):
    """An address to listen on or to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def host_port(text: str, default_port: int | None = None) -> HostPort:
    """Parse ``HOST:PORT``, ``:PORT``, ``PORT`` or ``[IPv6]:PORT``; an absent host is loopback."""
    match = re.fullmatch(r"(?:(?:\[([0-9a-fA-F:.%]+)\]|([^:\[\]]*)):)?(\d{1,5})", text.strip())
    if match is None and default_port is not None and re.fullmatch(r"[^:\s]+", text.strip()):
        return HostPort(text.strip(), default_port)
    if match is None or int(match.group(3)) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; as in 127.0.0.1:1883")
    return HostPort(match.group(1) or match.group(2) or "127.0.0.1", int(match.group(3)))


def utc_time(text: str) -> dt.datetime:
    """Parse an ISO 8601 time; one without an offset is UTC."""
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; as in 2023-02-01T12:00:00Z"
        ) from error
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is out of range; in UTC the year is 1 to 9999"
        ) from error
