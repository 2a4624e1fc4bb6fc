"""The filter language: what it lets through, and where it points when it can't be read."""

from pathlib import Path
from typing import NamedTuple

import pytest

from overflight_contract.dissect import Dissector
from overflight_contract.filter_fields import FIELDS
from overflight_contract.filters import OPERATORS, FilterError, compile_filter, complete
from overflight_contract.mqtt import Connect, PingReq, Publish, Version, encode


class Packet(NamedTuple):
    crossed_at_ns: int
    connection: int
    direction: int
    verdict: int
    reason: str
    data: bytes
    part: int = 0
    sequence: int = 0


POSITION = (
    b'{"flight":"20230201T120000Z-7f3a","seq":7,"held_from":1,"measured_at":"2023-02-01T12:00:00Z"'
    b',"lat_deg":53.1045,"lon_deg":-119.20011,"alt_msl_m":18612.0,"alt_hae_m":null,"fix":"3d"'
    b',"sats":9,"hdop":null}'
)
AT = 1_675_252_800_000_000_000  # 2023-02-01T12:00:00Z


@pytest.fixture(scope="module")
def views():
    dissector = Dissector()
    position = Publish(topic="overflight/1/HAB-01/position", payload=POSITION, qos=1, packet_id=5)
    stray = Publish(topic="photos/1", payload=b"\xff\xd8", retain=True)
    packets = [
        ("connect", 0, 0, "", encode(Connect(client_id="HAB-01"), Version.V5)),
        ("position", 0, 0, "", encode(position, Version.V5)),
        ("stray", 0, 2, "topic", encode(stray, Version.V5)),
        ("ping", 0, 0, "", encode(PingReq(), Version.V5)),
        ("bad", 1, 1, "malformed", b"\x90\x03\0\0\0"),
    ]
    return {
        name: dissector.view(Packet(AT + n * 10**9, 1, direction, verdict, reason, data, 0, n))
        for n, (name, direction, verdict, reason, data) in enumerate(packets)
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "connect position stray ping bad"),
        ("type == publish", "position stray"),
        ('payload == "HAB-01" and type == publish and not verdict == ok', "stray"),
        ("payload == HAB-01 and type == connect", "connect"),
        ("type != publish", "connect ping bad"),
        ("type in (connect, pingreq)", "connect ping"),
        ("type == connect or type == pingreq and qos == 1", "connect"),
        ("(type == connect or type == publish) and not retain", "connect position"),
        ("retain", "stray"),
        ("retain == true", "stray"),
        ("not retain == true and direction == up", "connect position ping"),
        ("qos == 1", "position"),
        ("qos != 1", "connect stray ping bad"),
        ("qos >= 0", "position stray"),
        ("size > 0.1k", "position"),
        ("packet_id == 5", "position"),
        ("time >= 2023-02-01T12:00:03Z", "ping bad"),
        ("time < 2023-02-01T13:00:01+01:00", "connect"),
        ("topic ~ '^photos'", "stray"),
        ("topic contains HAB", "position"),
        ('topic matches "overflight/1/+/position"', "position"),
        ("verdict == refused || verdict == marked", "stray bad"),
        ("reason == topic", "stray"),
        ("malformed", "bad"),
        ("direction == down", "bad"),
        ("version == 5 && type == pingreq", "ping"),
        ("kind == position", "position"),
        ("seq == 7", "position"),
        ("alt_msl_m > 18000 and lat_deg > 53", "position"),
        ("fix == 3d", "position"),
        ("phase == ascent", ""),
        ('summary contains "53.10450 -119.20011 18612 m 3d 9 sats"', "position"),
        ("connection == 1 and sequence == 3", "ping"),
        ("not not dup", ""),
    ],
)
def test_lets_through(views, text, names):
    keep = compile_filter(text)
    assert " ".join(name for name, view in views.items() if keep(view)) == names


@pytest.mark.parametrize(
    ("text", "at", "length", "says"),
    [
        ("pyload == x", 0, 6, "did you mean 'payload'"),
        ("type == publsh", 8, 6, "did you mean 'publish'"),
        ("type == 7", 8, 1, "it is one of connect"),
        ("type", 4, 1, "a comparison was expected"),
        ("type ==", 7, 1, "a value was expected"),
        ("type < publish", 5, 1, "for numbers and times"),
        ("size > big", 7, 3, "not a bytes"),
        ("qos == high", 7, 4, "not a number"),
        ("time > noon", 7, 4, "not a time"),
        ("retain == maybe", 10, 5, "not a true or false"),
        ("qos ~ 1", 4, 1, "is for text"),
        ("topic ~ '('", 8, 3, "not a regular expression"),
        ('topic == "a', 9, 1, "no closing quote"),
        ("topic == a b", 11, 1, "is an 'and' missing"),
        ("(dup", 4, 1, "closing parenthesis"),
        ("type in publish", 8, 7, "needs a list"),
        ("type in (publish", 16, 1, "closing parenthesis"),
        ("dup and", 7, 1, "a field was expected"),
        ("qos = 1", 4, 1, "means nothing"),
        ("== 1", 0, 2, "a field was expected"),
        ("(" * 200, 100, 1, "too deeply"),
    ],
)
def test_points_at_what_it_can_t_read(text, at, length, says):
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    error = caught.value
    assert says in error.detail
    assert (error.position, error.length) == (at, length)
    assert str(error).splitlines()[-1] == "  " + " " * at + "^" * length


@pytest.mark.parametrize(
    ("text", "start", "some"),
    [
        ("", 0, {"payload", "type", "not"}),
        ("pa", 0, {"payload", "packet_id"}),
        ("type ", 5, {"==", "!=", "in"}),
        ("size ", 5, {"<", "=="}),
        ("type == pub", 8, {"publish", "puback", "pubrec", "pubrel", "pubcomp"}),
        ("type in (publish, con", 18, {"connect", "connack"}),
        ("dup ", 4, {"and", "or", "=="}),
        ("type == publish ", 16, {"and", "or"}),
        ("type == publish and ", 20, {"payload", "not"}),
        ("(", 1, {"payload"}),
        ('topic == "un', 9, set()),
    ],
)
def test_completes(text, start, some):
    found = complete(text)
    assert found.start == start
    assert some <= set(found.words)
    assert bool(found.words) == bool(some)


def test_the_docs_know_every_field_and_operator():
    text = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()
    for name, field in FIELDS.items():
        assert f"| `{name}` |" in text, name
        assert field.description in text
        for word in field.words:
            assert f"`{word}`" in text
    for symbol, meaning in OPERATORS.items():
        assert f"| `{symbol}` |" in text
        assert meaning in text
