"""Every scenario flies to its end; faults come when they should; wrong files are refused."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import NS_PER_S
from overflight_device.fix import Fault, FaultKind, Fix, SourceOptions
from overflight_device.flight.geodesy import measure
from overflight_device.navigation import Navigator
from overflight_device.scenario import list_scenarios, load_scenario, missions_of, scenario_folder
from overflight_device.sources import open_source

SCENARIOS = {scenario.name: scenario for scenario in list_scenarios()}


def test_the_scenarios_that_are_promised_are_there():
    assert {"transcontinental", "sounding", "pico", "fleet-24", "stray"} <= SCENARIOS.keys()
    for scenario in SCENARIOS.values():
        assert "simulation" in scenario.about.lower()
        assert scenario.name == scenario.folder.joinpath(f"{scenario.name}.toml").stem


def test_the_fleet_is_two_dozen_over_five_continents_started_together():
    fleet = SCENARIOS["fleet-24"]
    assert len(fleet.missions) == 24
    assert len({mission.start_ns for mission in fleet.missions}) == 1
    assert len({mission.payload for mission in fleet.missions}) == 24
    assert fleet.payload == "HAB-01"
    assert load_scenario("fleet-24#HAB-07").payload == "HAB-07"
    with pytest.raises(InputError, match="HAB-99"):
        load_scenario("fleet-24#HAB-99")


@pytest.mark.parametrize("payload", ["HAB-04", "HAB-08", "HAB-15", "HAB-24"])
def test_missions_of_the_fleet_arrive(payload):
    source = open_source(f"sim:fleet-24#{payload}", SourceOptions(seed=1))
    last = [event for event in source if isinstance(event, Fix) and event.lat_deg is not None][-1]
    goal = source.plan.points[-1]
    assert measure(last.lat_deg, last.lon_deg, goal.lat_deg, goal.lon_deg).distance_m < 250_000


@pytest.mark.parametrize("seed", [1, 2])
def test_the_sounding_bursts_near_30_km_and_lands_after_about_two_and_a_half_hours(seed):
    source = open_source("sim:sounding", SourceOptions(seed=seed))
    fixes = [event for event in source if isinstance(event, Fix)]
    assert max(fix.alt_msl_m or 0 for fix in fixes) == pytest.approx(30_000, abs=2_500)
    hours = (fixes[-1].measured_at_ns - fixes[0].measured_at_ns) / NS_PER_S / 3600
    assert hours == pytest.approx(2.5, abs=0.35)


def test_the_stray_leaves_its_plan_after_its_level_control_sticks():
    source = open_source("sim:stray", SourceOptions(seed=1))
    navigator = Navigator(source.plan)
    before = after = 0.0
    for event in source:
        if isinstance(event, Fix):
            cross = abs(navigator.step(event).cross_track_m or 0.0)
            if event.measured_at_ns < source.scenario.start_ns + 70_000 * NS_PER_S:
                before = max(before, cross)
            else:
                after = max(after, cross)
    assert before < source.plan.width_m < after


def test_the_pico_goes_around_the_world():
    source = open_source("sim:pico", SourceOptions(seed=0))
    turned, before = 0.0, None
    for event in source:
        if isinstance(event, Fix) and event.lon_deg is not None:
            if before is not None:
                turned += (event.lon_deg - before + 180) % 360 - 180
            before = event.lon_deg
    assert turned > 360


def faults(options):
    source = open_source("sim:troubled", options)
    return source, list(source)


def test_faults_come_right_after_the_fix_at_their_time():
    _source, events = faults(SourceOptions(seed=1))
    found = [event for event in events if isinstance(event, Fault)]
    assert [fault.kind for fault in found] == [
        FaultKind.LINK_DOWN,
        FaultKind.BROWN_OUT,
        FaultKind.LINK_UP,
        FaultKind.CAMERA_DOWN,
        FaultKind.CAMERA_UP,
        FaultKind.REBOOT,
        FaultKind.LINK_DOWN,
        FaultKind.LINK_UP,
        FaultKind.BROWN_OUT,
    ]
    for index, event in enumerate(events):
        if isinstance(event, Fault) and isinstance(events[index - 1], Fix):
            assert 0 <= events[index - 1].measured_at_ns - event.at_ns < 10 * NS_PER_S


def test_a_payload_that_was_killed_goes_on_behind_the_fault_with_its_link_still_down():
    _, events = faults(SourceOptions(seed=1))
    killed = next(i for i, e in enumerate(events) if getattr(e, "kind", 0) is FaultKind.BROWN_OUT)
    last = events[killed - 1].measured_at_ns
    _, rest = faults(SourceOptions(seed=1, start_after_ns=last))
    assert rest[0].kind is FaultKind.LINK_DOWN
    assert rest[1:] == events[killed + 1 :]


def test_a_silent_receiver_gives_nothing_and_a_wrong_clock_is_wrong_until_the_first_fix():
    source, events = faults(SourceOptions(seed=1))
    start = source.scenario.start_ns
    fixes = [event for event in events if isinstance(event, Fix)]
    silent = range(start + 9_000 * NS_PER_S, start + 9_600 * NS_PER_S)
    assert not any(fix.measured_at_ns in silent for fix in fixes)
    wrong = [fix for fix in fixes if fix.measured_at_ns < start]
    assert len(wrong) == 12
    assert all(fix.mode is FixMode.NONE for fix in wrong)


MISSION = """
payload = "T-1"
start = 2024-01-01T00:00:00Z
duration_s = 3600
[launch]
lat_deg = 0
lon_deg = 0
[balloon]
envelope_kg = 1
suspended_kg = 1
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("payload = ", "not valid TOML"),
        (MISSION, "either burst_diameter_m"),
        (MISSION + "burst_diameter_m = 5\nballoons = 99", "balloons"),
        (MISSION + "burst_diameter_m = 5\n[steering]\nlow_m = 1\nhigh_m = 2", "needs a plan"),
        (MISSION + "burst_diameter_m = 5\n[plan]\npoints = [[99, 0]]", "<= 90"),
        (
            MISSION + "burst_diameter_m = 5\n[wind]\nsounding = 'none.txt'",
            "can't read the sounding",
        ),
        (MISSION.replace("T-1", "t 1") + "burst_diameter_m = 5", "payload"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, text, why):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=why):
        list(open_source(f"sim:{path}", SourceOptions()))


def test_a_file_of_ones_own_flies_with_a_sounding_beside_it(tmp_path):
    (tmp_path / "wind.csv").write_text("height_m,direction_deg,speed_mps\n0,270,10\n40000,270,30\n")
    path = tmp_path / "mine.toml"
    path.write_text(MISSION + "burst_diameter_m = 6\n[wind]\nsounding = 'wind.csv'\n")
    fixes = [e for e in open_source(f"sim:{path}", SourceOptions()) if isinstance(e, Fix)]
    assert fixes[-1].lon_deg > 0.3
    assert scenario_folder().is_dir()


@given(
    key=st.sampled_from(
        [
            "duration_s",
            "fix_every_s",
            "ground_m",
            "balloon",
            "launch",
            "plan",
            "wind",
            "x",
            "payload",
        ]
    ),
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False)
        | st.integers()
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=6,
    ),
)
def test_any_value_of_any_key_is_flown_or_refused(key, value):
    table = tomllib.loads(MISSION + "burst_diameter_m = 6\n") | {key: value}
    try:
        missions = missions_of(table, scenario_folder() / "mine.toml")
    except InputError:
        return
    assert missions[0].payload
