"""``overflight completion SHELL``: a completion script on standard output."""

from __future__ import annotations

import argparse
import sys

from overflight_contract.commandline import Exit, epilog

SHELLS = ("bash", "zsh", "tcsh")


def build(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = epilog(
        ["overflight completion bash > ~/.local/share/bash-completion/completions/overflight"]
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell to write for")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script; every house is imported, since it lists every option."""
    import shtab

    from overflight.cli import COMMANDS, build_parser

    sys.stdout.write(shtab.complete(build_parser(list(COMMANDS)), args.shell))
    return Exit.OK
