"""Statistics of what the contract leaves open: low digits, entropy, timing.

Each test says how often chance alone would look so (a p-value). None of them is ever a verdict:
a leak that is encrypted first looks like noise, and odd receivers look like leaks.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from overflight_ground.audit.ledgers import Crossed
from overflight_ground.audit.report import Statistic

FLAG_BELOW: Final = 1e-4
LEAST_N: Final = 100


def upper_gamma(a: float, x: float) -> float:
    """Return the regularised upper incomplete gamma function Q(a, x), to about 1e-12.

    Series below a + 1, continued fraction above (Abramowitz and Stegun 6.5.29 and 6.5.31).
    """
    if x <= 0:
        return 1.0
    scale = math.exp(-x + a * math.log(x) - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        while abs(term) > abs(total) * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1.0 - total * scale)
    b, c = x + 1 - a, 1e300
    d = h = 1.0 / b
    for i in range(1, 10_000):
        an = -i * (i - a)
        b += 2
        d = 1.0 / (an * d + b or 1e-300)
        c = b + an / c or 1e-300
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return min(1.0, scale * h)


def chi_squared(counts: Sequence[int], expected: Sequence[float]) -> tuple[float, float]:
    """Return (statistic, p-value) of counts against what is expected of them."""
    value = sum((c - e) ** 2 / e for c, e in zip(counts, expected, strict=True))
    return value, upper_gamma((len(counts) - 1) / 2, value / 2)


def normal_tail(z: float) -> float:
    """Return the two-sided tail of the normal distribution."""
    return math.erfc(abs(z) / math.sqrt(2))


def entropy_bits(values: Sequence[float]) -> float:
    """Return the empirical entropy of `values`, in bits a value."""
    total = len(values)
    return -sum(n / total * math.log2(n / total) for n in Counter(values).values()) + 0.0


_FIELDS: Final = {
    "lat_deg": 1e5, "lon_deg": 1e5, "alt_msl_m": 10.0, "alt_hae_m": 10.0, "hdop": 10.0,
    "track_deg": 10.0, "speed_mps": 10.0, "climb_mps": 10.0, "sats": 1.0, "cross_track_m": 1.0,
}  # fmt: skip
_NOISY: Final = frozenset(("lat_deg", "lon_deg", "alt_msl_m"))
"""Fields whose last digit is noise: far below what a receiver resolves."""


def columns(messages: Sequence[Crossed]) -> dict[str, list[int]]:
    """Return the values of each field, in order, as whole numbers of its step."""
    found: dict[str, list[int]] = {}
    seen: set[tuple[str, int]] = set()
    for message in messages:
        if (message.flight, message.seq) in seen:
            continue
        seen.add((message.flight, message.seq))
        try:
            values = msgspec.json.decode(message.body)
        except msgspec.MsgspecError:
            continue
        for name, factor in _FIELDS.items():
            value = values.get(name)
            if isinstance(value, int | float):
                found.setdefault(name, []).append(round(value * factor))
        waypoint = values.get("waypoint")
        if isinstance(waypoint, dict):
            found.setdefault("waypoint distance_m", []).append(int(waypoint["distance_m"]))
            found.setdefault("waypoint bearing_deg", []).append(round(waypoint["bearing_deg"] * 10))
        stamp = str(values.get("measured_at", ""))
        part = stamp.partition(".")[2].rstrip("Z")[:3]
        found.setdefault("measured_at, milliseconds", []).append(int(part or 0))
    return found


def statistics_of(messages: Sequence[Crossed], gaps_ms: Sequence[int]) -> tuple[Statistic, ...]:
    """Run every test that there are enough values for."""
    tests: list[Statistic] = []
    for name, values in sorted(columns(messages).items()):
        if len(values) < LEAST_N:
            continue
        bits = entropy_bits([float(v) for v in values])
        tests.append(_entropy(name, values, bits))
        if name in _NOISY:
            tests.append(_digits(name, values))
            tests.append(_serial(name, values))
    if len(gaps_ms) >= LEAST_N:
        tests.append(_gap_digits(gaps_ms))
        tests.append(_two_rhythms(gaps_ms))
    return tuple(tests)


def _entropy(name: str, values: Sequence[int], bits: float) -> Statistic:
    return Statistic(
        test="entropy", field=name, n=len(values), statistic=round(bits, 6), p_value=None,
        flagged=False, text=f"{bits:.1f} bits a value over {len(values):,} values",
    )  # fmt: skip


def _digits(name: str, values: Sequence[int]) -> Statistic:
    """Last digits of a noisy field are uniform; those of a text, or of a constant, are not."""
    moving = [abs(v) % 10 for v, w in zip(values[1:], values, strict=False) if v != w]
    counts = [0] * 10
    for digit in moving:
        counts[digit] += 1
    if len(moving) < LEAST_N:
        text = "hardly moves: its last digits say nothing"
        return Statistic(test="last digit", field=name, n=len(moving), statistic=0.0, p_value=None,
                         flagged=False, text=text)  # fmt: skip
    value, p = chi_squared(counts, [len(moving) / 10] * 10)
    text = f"last digits against uniform noise: chi-squared {value:.1f} with 9 degrees of freedom"
    return Statistic(
        test="last digit", field=name, n=len(moving), statistic=round(value, 6),
        p_value=p, flagged=p < FLAG_BELOW, text=text,
    )  # fmt: skip


def _serial(name: str, values: Sequence[int]) -> Statistic:
    """Neighbouring last digits are independent in noise (correlation, normal approximation)."""
    digits = [abs(v) % 10 for v in values]
    n = len(digits) - 1
    mean = sum(digits) / len(digits)
    spread = sum((d - mean) ** 2 for d in digits)
    joint = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(digits))
    r = joint / spread if spread else 0.0
    p = normal_tail(r * math.sqrt(n))
    return Statistic(
        test="serial correlation", field=name, n=n, statistic=round(r, 6), p_value=p,
        flagged=False, text=f"neighbouring last digits correlate by {r:+.3f}",
    )  # fmt: skip


def _gap_digits(gaps_ms: Sequence[int]) -> Statistic:
    long_gaps = [gap for gap in gaps_ms if gap >= 20]
    if len(long_gaps) < LEAST_N:
        return Statistic(test="last digit", field="time between messages", n=len(long_gaps),
                         statistic=0.0, p_value=None, flagged=False,
                         text="too few gaps of 20 ms or more")  # fmt: skip
    counts = [0] * 10
    for gap in long_gaps:
        counts[gap % 10] += 1
    value, p = chi_squared(counts, [len(long_gaps) / 10] * 10)
    return Statistic(
        test="last digit", field="time between messages", n=len(long_gaps),
        statistic=round(value, 6), p_value=p, flagged=p < FLAG_BELOW,
        text=f"milliseconds between messages: chi-squared {value:.1f} with 9 degrees of freedom",
    )  # fmt: skip


def _two_rhythms(gaps_ms: Sequence[int]) -> Statistic:
    """A runs test about the median: in a steady rhythm long and short gaps come at random."""
    ordered = sorted(gaps_ms)
    middle = ordered[len(ordered) // 2]
    signs = [gap > middle for gap in gaps_ms if gap != middle]
    above, n = sum(signs), len(signs)
    below = n - above
    if not above or not below or n < LEAST_N:
        return Statistic(test="runs", field="time between messages", n=n, statistic=0.0,
                         p_value=None, flagged=False, text="one rhythm")  # fmt: skip
    runs = 1 + sum(a != b for a, b in itertools.pairwise(signs))
    mean = 2 * above * below / n + 1
    variance = (mean - 1) * (mean - 2) / (n - 1)
    z = (runs - mean) / math.sqrt(variance) if variance > 0 else 0.0
    p = normal_tail(z)
    return Statistic(
        test="runs", field="time between messages", n=n, statistic=round(z, 6), p_value=p,
        flagged=False, text=f"{runs} runs of long and short gaps, {mean:.0f} expected",
    )  # fmt: skip
