"""Topics and names."""

import datetime as dt
import random

import pytest

from overflight_contract.errors import ContractError
from overflight_contract.identity import check_payload, is_flight, is_payload, new_flight_id
from overflight_contract.topics import Kind, parse_topic, topic_for


@pytest.mark.parametrize("kind", list(Kind))
def test_there_and_back(kind):
    assert parse_topic(topic_for("HAB-01", kind)) == ("HAB-01", kind)


@pytest.mark.parametrize(
    "topic",
    [
        "", "/", "overflight", "overflight/1/HAB-01", "overflight/1/HAB-01/position/",
        "overflight/1/HAB-01/image", "overflight/2/HAB-01/position", "Overflight/1/HAB-01/position",
        "overflight/01/HAB-01/position", "overflight/1/hab-01/position", "overflight/1//position",
        "overflight/1/HAB-01\n/position", "overflight/1/-HAB/position", "overflight/1/+/position",
        "overflight/1/HAB-01234567890123/position", "a/overflight/1/HAB-01/position",
    ],
)  # fmt: skip
def test_everything_else_is_no_topic_of_ours(topic):
    with pytest.raises(ContractError) as error:
        parse_topic(topic)
    assert error.value.reason == "topic"


@pytest.mark.parametrize("name", ["A", "0", "HAB-01", "A" * 16, "X-"])
def test_names_of_payloads(name):
    assert check_payload(name) == name


@pytest.mark.parametrize("name", ["", "a", "-A", "A" * 17, "HAB_01", "HAB 01", "HAB-01\n", "É"])
def test_what_can_not_name_a_payload(name):
    assert not is_payload(name)
    with pytest.raises(ContractError):
        check_payload(name)


def test_a_flight_is_named_by_its_start_and_chance():
    start = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)
    flight = new_flight_id(start, random.Random(1))
    assert is_flight(flight)
    assert flight.startswith("20230128T060000Z-")
    assert flight != new_flight_id(start, random.Random(2))
