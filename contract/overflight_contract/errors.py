"""Errors of the contract."""

from __future__ import annotations


class OverflightError(Exception):
    """An error that a person can act on; its text is one clear sentence."""

    exit_code = 1


class InputError(OverflightError):
    """Bad input or usage: exit status 2."""

    exit_code = 2


class UnavailableError(OverflightError):
    """Something outside that is needed is missing, busy or unreachable: exit status 4."""

    exit_code = 4


class ContractError(OverflightError):
    """A message, topic or name that does not fit the contract.

    `reason` is a short stable word (``schema``, ``canonical``, ``range``, ``topic``,
    ``identity``, ``size``); the text says what is wrong.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[ContractError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)
