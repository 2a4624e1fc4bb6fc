"""The command line: one command, subcommands by house, each house imported only when called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import types
from collections.abc import Sequence
from typing import Final, NamedTuple

from overflight import __version__
from overflight_contract.commandline import (
    Exit,
    HelpFormatter,
    Parser,
    apply_settings,
    epilog,
    read_config,
)
from overflight_contract.errors import InputError, OverflightError


class Entry(NamedTuple):
    """Where a command lives; `module` has ``build(parser)``."""

    module: str
    summary: str
    extra: str = ""


COMMANDS: Final[dict[str, Entry]] = {
    "demo": Entry("overflight.demo.cli", "fly a payload through the relay to the ground", "all"),
    "device": Entry("overflight_device.cli", "the payload: run it, look into it", "device"),
    "relay": Entry("overflight_relay.cli", "the provider in the path", "relay"),
    "ground": Entry("overflight_ground.cli", "the ground station", "ground"),
    "watch": Entry("overflight.watch.cli", "watch the traffic of a relay or a session file"),
    "session": Entry("overflight.session.cli", "look into, cut, convert, export session files"),
    "replay": Entry("overflight.replay.cli", "play a session to a broker or a payload", "tools"),
    "recover": Entry("overflight_ground.recover_cli", "take in a recovered vault", "ground"),
    "audit": Entry("overflight_ground.audit_cli", "prove what left and what stayed", "ground"),
    "leak": Entry("overflight.leaks.cli", "try to get a picture out, to see who notices", "all"),
    "completion": Entry("overflight.completion", "print a completion script for your shell"),
}

EXAMPLES: Final = (
    "overflight demo                      a whole flight, watched, recovered and audited",
    "overflight device run sim:sounding   a payload alone",
    "overflight watch                     the relay's traffic, packet by packet",
)

EXIT_STATUSES: Final = """\
exit statuses:
  0  done; the split held
  1  failed; the split is broken; something was lost
  2  bad input or usage
  3  can't tell (audit)
  4  something needed is missing, busy or unreachable
  130  interrupted"""


def build_parser(names: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser; only the commands in `names` are imported and get their options."""
    parser = Parser(
        prog="overflight",
        description="Shows, and proves, what left a device and what stayed on board.",
        epilog=f"{epilog(EXAMPLES)}\n\n{EXIT_STATUSES}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"overflight {__version__}")
    parser.add_argument("--config", metavar="FILE", help="settings file (TOML)")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, entry in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=entry.summary,
            description=entry.summary[:1].upper() + entry.summary[1:] + ".",
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        if name in names:
            _import(name, entry).build(command)
    return parser


def _import(name: str, entry: Entry) -> types.ModuleType:
    try:
        return importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("overflight"):
            raise
        raise OverflightError(
            f"'overflight {name}' needs the Python package {error.name!r}: "
            f"pip install 'overflight[{entry.extra or 'tools'}]'"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except OverflightError as error:
        if debug:
            raise
        print(f"overflight: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if debug:
            raise
        print(f"overflight: {error}", file=sys.stderr)
        return Exit.UNAVAILABLE
    return status


def _run(arguments: list[str]) -> int:
    words = [word for word in arguments if not word.startswith("-")]
    names = [word for word in words if word in COMMANDS][:1]
    parser = build_parser(names)
    _settings(parser, arguments, names)
    args = _parse(parser, arguments)
    run = getattr(args, "run", None)
    if run is None:
        raise InputError(f"'overflight {args.command}' needs a command of its own; see --help")
    return int(run(args))


def _parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parse; a command that takes `words` also gets those that stand behind an option."""
    args, left = parser.parse_known_args(arguments)
    words: list[str] | None = getattr(args, "words", None)
    if left and words is not None and not any(word.startswith("-") for word in left):
        args.words = [*words, *left]
    elif left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    return args


def _settings(
    parser: argparse.ArgumentParser, arguments: Sequence[str], names: Sequence[str]
) -> None:
    """Let the environment and the settings file speak before the command line does."""
    if not names:
        return
    config_path = None
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--config":
            config_path = following
        elif word.startswith("--config="):
            config_path = word.partition("=")[2]
    config = read_config(config_path)
    for section, leaf in leaves(parser, arguments):
        apply_settings(leaf, section, config)


def leaves(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> list[tuple[str, argparse.ArgumentParser]]:
    """Return (section, parser) of the commands that `arguments` name, outermost first.

    The section of ``overflight relay run`` is ``relay``; of any other ``overflight A B``, ``A.B``.
    """
    found: list[tuple[str, argparse.ArgumentParser]] = []
    path: list[str] = []
    current = parser
    for word in arguments:
        choices = _subparsers(current)
        if word in choices:
            current = choices[word]
            path.append(word)
            section = current.get_default("section")
            default = path[0] if path[1:] in ([], ["run"]) else ".".join(path)
            if section or not _subparsers(current):  # a group of commands has no settings itself
                found.append((section or default, current))
    return found


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


if __name__ == "__main__":
    sys.exit(main())
