"""How often windows of held-out Istanbul listings are called drift, and whether Izmir's are."""

import pytest

from housing_monitoring.profile import Profile
from tests.listings import Listings, read_listings, reference_of, rules_of
from tests.traffic import Traffic, plain_verdict

WINDOWS = 200


@pytest.fixture(scope="module")
def istanbul() -> tuple[Listings, Listings]:
    """Training part and holdout."""
    listings = read_listings("istanbul")
    cut = int(len(listings.frame) * 0.8)
    return listings.rows(0, cut), listings.rows(cut, len(listings.frame))


@pytest.fixture(scope="module")
def profile(istanbul: tuple[Listings, Listings]) -> Profile:
    return Profile(rules_of(istanbul[0]), reference_of(*istanbul))


@pytest.mark.parametrize(("rows", "plain_alarms"), [(200, 200), (1_000, 200), (5_000, 0)])
def test_held_out_rows_are_never_called_drift_though_the_plain_formulas_call_small_windows_so(
    rows: int, plain_alarms: int, istanbul: tuple[Listings, Listings], profile: Profile
) -> None:
    training, holdout = istanbul
    every_category = Traffic(training).category_counts()
    traffic = Traffic(holdout)
    samples = [traffic.sample(rows, seed) for seed in range(WINDOWS)]
    alarms = sum(sample.report(profile).verdict == "Drift" for sample in samples)
    plain = sum(
        plain_verdict(sample, profile.reference, every_category) == "Drift" for sample in samples
    )
    assert (alarms, plain) == (0, plain_alarms)  # as docs/how-to/drift.md says


@pytest.mark.parametrize("rows", [200, 1_000])
def test_another_city_is_drift_every_time(rows: int, profile: Profile) -> None:
    traffic = Traffic(read_listings("izmir"))
    for seed in range(20):
        report = traffic.sample(rows, seed).report(profile)
        assert report.verdict == "Drift"
        assert {"PSI", "NewCategories"} <= {alert.name for alert in report.alerts}
