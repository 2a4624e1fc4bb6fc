"""The filter language: ``payload == "HAB-01" and type == publish and not verdict == ok``.

One small language for `overflight watch`, `session`, `replay` and the pytest plugin; see
docs/filters.md. A filter is compiled to one function of a `PacketView`. A field that a packet
lacks equals nothing, so every comparison with it is false, but for ``!=``, which is the opposite
of ``==``.
"""

from __future__ import annotations

import argparse
import difflib
import operator
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from overflight_contract.commandline import size_bytes, utc_time
from overflight_contract.dissect import PacketView
from overflight_contract.errors import InputError
from overflight_contract.filter_fields import FIELDS, FilterField, Shape, Value
from overflight_contract.mqtt.topic_names import matches
from overflight_contract.times import to_ns

Predicate = Callable[[PacketView], bool]

ORDERED: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPERATORS: Final[dict[str, str]] = {
    "==": "equals",
    "!=": "does not equal",
    "<": "less than; before",
    "<=": "at most",
    ">": "more than; after",
    ">=": "at least",
    "~": "has the regular expression in it",
    "contains": "has the text in it",
    "matches": 'fits the MQTT topic filter, as "overflight/1/+/position"',
    "in": 'is one of a list, as in ("HAB-01", "HAB-02")',
}
_ON_TEXT: Final = ("~", "contains", "matches")
KEYWORDS: Final = ("and", "or", "not", "true", "false")
_MAX_DEPTH: Final = 100

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<op>==|!=|<=|>=|<|>|~)
    | (?P<punct>[(),])
    | (?P<word>[^\s()"'=!<>~,]+)
    | (?P<bad>\S)
    )""",
    re.VERBOSE,
)


class FilterError(InputError):
    """A filter that can't be read; `position` and `length` say where in `text`."""

    def __init__(self, detail: str, text: str, position: int, length: int = 1) -> None:
        self.detail = detail
        self.text = text
        self.position = position
        self.length = max(1, length)
        super().__init__(f"{detail}\n  {text}\n  {' ' * position}{'^' * self.length}")


class Token(NamedTuple):
    """One word of a filter; `kind` is string, op, punct, word or end."""

    kind: str
    text: str
    position: int

    @property
    def length(self) -> int:
        """How many characters it has."""
        return len(self.text)


def compile_filter(text: str) -> Predicate:
    """Compile a filter; an empty one lets everything through. Raises `FilterError`."""
    tokens = tokenize(text)
    if tokens[0].kind == "end":
        return lambda _view: True
    return _Parser(text, tokens).whole()


def tokenize(text: str) -> list[Token]:
    """Split a filter into its words; the last one is of kind ``end``."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is None:
            continue
        token = Token(kind, match.group(kind), match.start(kind))
        if kind == "bad":
            raise FilterError(_meaningless(token.text), text, token.position)
        tokens.append(token)
    tokens.append(Token("end", "", len(text)))
    return tokens


def _meaningless(text: str) -> str:
    if text in "\"'":
        return "the text has no closing quote"
    return "'=' means nothing; did you mean '=='?" if text == "=" else f"{text!r} means nothing"


class _Parser:
    """Recursive descent: or, and, not, then a comparison or a parenthesis."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Predicate:
        predicate = self._either()
        if self._now.kind != "end":
            raise self._error(f"{self._now.text!r} was not expected; is an 'and' missing?")
        return predicate

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._now
        if token.kind != "end":
            self._at += 1
        return token

    def _skip(self, *texts: str) -> bool:
        if self._now.kind != "string" and self._now.text in texts:
            self._at += 1
            return True
        return False

    def _error(self, detail: str, token: Token | None = None) -> FilterError:
        token = token or self._now
        return FilterError(detail, self._text, token.position, token.length)

    def _either(self) -> Predicate:
        left = self._both()
        while self._skip("or", "||"):
            left = _or(left, self._both())
        return left

    def _both(self) -> Predicate:
        left = self._negated()
        while self._skip("and", "&&"):
            left = _and(left, self._negated())
        return left

    def _negated(self) -> Predicate:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("the filter is nested too deeply")
        try:
            if self._skip("not"):
                return _not(self._negated())
            if self._skip("("):
                inner = self._either()
                if not self._skip(")"):
                    raise self._error("a closing parenthesis is missing")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Predicate:
        name = self._take()
        field = FIELDS.get(name.text) if name.kind == "word" else None
        if field is None:
            what = "a field was expected" if name.kind != "word" else f"no field {name.text!r}"
            raise self._error(f"{what}{_nearest(name.text, FIELDS)}", name)
        operation = self._now
        if operation.kind == "string" or operation.text not in OPERATORS:
            if field.shape is Shape.FLAG:
                return _equal(field, value=True)
            raise self._error(f"after {name.text} a comparison was expected, as ==")
        self._take()
        if operation.text == "in":
            return self._membership(field)
        return self._compare(field, operation, self._take())

    def _membership(self, field: FilterField) -> Predicate:
        if not self._skip("("):
            raise self._error("'in' needs a list in parentheses")
        values = [self._value(field, self._take())]
        while self._skip(","):
            values.append(self._value(field, self._take()))
        if not self._skip(")"):
            raise self._error("a closing parenthesis is missing")
        wanted, get = frozenset(values), field.get
        return lambda view: get(view) in wanted

    def _compare(self, field: FilterField, operation: Token, token: Token) -> Predicate:
        symbol = operation.text
        if symbol in _ON_TEXT:
            if field.shape not in (Shape.TEXT, Shape.WORD):
                raise self._error(f"{symbol!r} is for text", operation)
            return self._on_text(field, symbol, token)
        value = self._value(field, token)
        if symbol == "==":
            return _equal(field, value=value)
        if symbol == "!=":
            return _not(_equal(field, value=value))
        if field.shape not in (Shape.NUMBER, Shape.SIZE, Shape.TIME):
            raise self._error(f"{symbol!r} is for numbers and times", operation)
        return _ordered(field, ORDERED[symbol], value)

    def _on_text(self, field: FilterField, symbol: str, token: Token) -> Predicate:
        text, get = self._text_of(token), field.get
        if symbol == "contains":
            return lambda view: text in str(get(view) or "")
        if symbol == "matches":
            return lambda view: (value := get(view)) is not None and matches(text, str(value))
        try:
            search = re.compile(text).search
        except re.error as error:
            raise self._error(f"not a regular expression: {error}", token) from error
        return lambda view: (value := get(view)) is not None and search(str(value)) is not None

    def _text_of(self, token: Token) -> str:
        if token.kind == "string":
            return re.sub(r"\\([\"'\\])", r"\1", token.text[1:-1])
        if token.kind == "word":
            return token.text
        raise self._error("a value was expected", token)

    def _value(self, field: FilterField, token: Token) -> Value:
        text = self._text_of(token)
        try:
            match field.shape:
                case Shape.NUMBER:
                    return float(text)
                case Shape.SIZE:
                    return size_bytes(text)
                case Shape.TIME:
                    return to_ns(utc_time(text))
                case Shape.FLAG:
                    return {"true": True, "false": False}[text]
                case Shape.TEXT:
                    return text
                case Shape.WORD:
                    return field.words[field.words.index(text)]
        except (ValueError, KeyError, argparse.ArgumentTypeError):
            raise self._error(self._wrong(field, text), token) from None

    def _wrong(self, field: FilterField, text: str) -> str:
        if field.shape is Shape.WORD:
            hint = _nearest(text, field.words) or f"; it is one of {', '.join(field.words)}"
            return f"it is never {text!r}{hint}"
        return f"{text!r} is not a {field.shape.value}"


def _nearest(text: str, choices: Sequence[str] | dict[str, FilterField]) -> str:
    near = difflib.get_close_matches(text, list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _equal(field: FilterField, *, value: Value) -> Predicate:
    get = field.get
    return lambda view: get(view) == value


def _ordered(
    field: FilterField, compare: Callable[[Value, Value], bool], value: Value
) -> Predicate:
    get = field.get
    return lambda view: (found := get(view)) is not None and compare(found, value)


def _not(inner: Predicate) -> Predicate:
    return lambda view: not inner(view)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda view: left(view) and right(view)


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda view: left(view) or right(view)


class Completion(NamedTuple):
    """What may stand at the cursor: `words` replace the text from `start` on."""

    start: int
    words: tuple[str, ...]


def complete(text: str, cursor: int | None = None) -> Completion:
    """Return what may stand at `cursor` (default: the end) of a filter that is being typed."""
    before = text[: len(text) if cursor is None else cursor]
    start = len(before)
    while start and before[start - 1] not in " \t()=!<>~,":
        start -= 1
    typed = before[start:]
    try:
        tokens = tokenize(before[:start])[:-1]
    except FilterError:
        return Completion(start, ())
    words = _expected(tokens)
    return Completion(start, tuple(word for word in words if word.startswith(typed)))


def _expected(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return the words that may follow `tokens`."""
    last = tokens[-1].text if tokens else ""
    if not tokens or last in ("and", "or", "not", "&&", "||"):
        return (*FIELDS, *(() if last == "not" else ("not",)))
    field = FIELDS.get(last)
    if field is not None:
        joined = ("and", "or") if field.shape is Shape.FLAG else ()
        return tuple(op for op in OPERATORS if _fits(op, field)) + joined
    if last in OPERATORS or last in ("(", ","):
        named = next((t.text for t in reversed(tokens) if t.text in FIELDS), "")
        opened = last == "(" and (len(tokens) < 2 or tokens[-2].text != "in")
        return _values(FIELDS[named]) if named and not opened else (*FIELDS, "not")
    return ("and", "or")


def _fits(symbol: str, field: FilterField) -> bool:
    if symbol in ORDERED:
        return field.shape in (Shape.NUMBER, Shape.SIZE, Shape.TIME)
    return symbol not in _ON_TEXT or field.shape in (Shape.TEXT, Shape.WORD)


def _values(field: FilterField) -> tuple[str, ...]:
    return ("true", "false") if field.shape is Shape.FLAG else field.words
