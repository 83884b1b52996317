"""The candidates race within their budget, and what wins is said with its uncertainty."""

from dataclasses import replace

import numpy as np
import pytest

from housing_core.api.spec import Training
from housing_core.bundle import ModelKind, RecipeResult
from housing_training.data.typed_rows import Part
from housing_training.errors import InvalidDataError
from housing_training.learning import Prepared
from housing_training.models.candidates import CANDIDATES
from housing_training.selection import folds, racing
from housing_training.selection.folds import make_folds
from housing_training.selection.racing import calibration_of, choose, selection_digest
from tests.unit.training.prepared import few_iterations, prepared_listings


@pytest.fixture(autouse=True)
def _few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    few_iterations(monkeypatch)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_listings(tmp_path_factory.mktemp("data"), 700)


def training(recipe: str = "auto", budget: str = "10m") -> Training:
    return Training.model_validate(
        {"recipe": recipe, "forest": {"trees": 5}, "auto": {"timeBudget": budget}}
    )


class Ticking:
    """A clock on which every look takes a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def chosen(prepared: Prepared, spec: Training, seconds: float = 0.0) -> RecipeResult:
    said: list[str] = []
    found = choose(
        prepared.fitter(spec),
        prepared.training,
        spec,
        digest="d",
        say=said.append,
        clock=Ticking(seconds),
    )
    assert len(said) == len(found.candidates)
    return found


def test_the_winner_is_ahead_and_the_same_every_time(prepared: Prepared) -> None:
    found = chosen(prepared, training())
    assert found == chosen(prepared, training())
    winner, *others = found.candidates
    assert winner.name == found.model
    assert {candidate.name for candidate in found.candidates} == set(CANDIDATES)
    assert winner.behind is None
    assert winner.macro_f1 is not None
    assert winner.interval is not None
    assert winner.interval.low < winner.macro_f1 < winner.interval.high
    assert winner.rows >= 500
    for other in others:
        assert other.behind_interval is not None
        if "clearly behind" in other.note:
            assert other.behind_interval.low > 0
    assert (found.iterations is not None) == (found.model == "EncodedBoosting")
    assert found.calibration.log_loss_after <= found.calibration.log_loss_before


def test_the_race_tells_after_each_fit_how_many_and_how_long_are_left(
    prepared: Prepared,
) -> None:
    told: list[tuple[int, int, float]] = []
    spec = training(budget="10m")
    found = choose(
        prepared.fitter(spec),
        prepared.training,
        spec,
        digest="d",
        say=lambda _: None,
        clock=Ticking(1.0),
        report=lambda *how_far: told.append(how_far),
    )
    assert len(told) == sum(candidate.fits for candidate in found.candidates) >= 5 + 2
    assert {most for _, most, _ in told} == {15}
    done = [done for done, _, _ in told]
    assert done == sorted(done)
    assert done[0] == 1
    assert done[-1] == 15
    assert told[0][2] >= 14  # each fit takes a look at the clock or more
    assert told[-1][2] == 0


def test_without_time_the_first_candidate_is_made_and_the_rest_say_why_not(
    prepared: Prepared,
) -> None:
    found = chosen(prepared, training(budget="1s"), seconds=2.0)
    assert found.model == next(iter(CANDIDATES))
    assert found.candidates[0].rows > 0
    for other in found.candidates[1:]:
        assert other.macro_f1 is None
        assert "auto.timeBudget is used up" in other.note


def test_who_runs_out_of_time_does_not_beat_who_went_on(prepared: Prepared) -> None:
    found = chosen(prepared, training(budget="30s"), seconds=2.0)
    most = max(candidate.rows for candidate in found.candidates)
    assert found.candidates[0].rows == most


def test_one_that_is_left_alone_goes_through_all_folds(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(racing, "CANDIDATES", {"EncodedForest": "a forest"})
    found = chosen(prepared, training())
    assert found.model == "EncodedForest"
    assert found.candidates[0].rows > 0.95 * len(prepared.training.labels)
    stopped = chosen(prepared, training(budget="5s"), seconds=2.0)
    assert 0 < stopped.candidates[0].rows < found.candidates[0].rows
    assert "auto.timeBudget is used up" in stopped.candidates[0].note


def test_the_seeds_recipe_has_no_choice_but_a_calibration(prepared: Prepared) -> None:
    found = chosen(prepared, training("seed"))
    assert (found.model, found.candidates, found.iterations) == ("HashedForest", [], None)
    assert found.calibration.method in ("Temperature", "Platt")
    assert not calibration_of(found).is_identity


def test_the_digest_tells_data_and_settings_apart(prepared: Prepared) -> None:
    part = prepared.training
    first = selection_digest(part, training())
    assert first == selection_digest(part, training())
    assert first != selection_digest(part, training("seed"))
    assert first != selection_digest(part, training(budget="9m"))
    assert first != selection_digest(part.take(np.arange(300)), training())


def part_with(prepared: Prepared, **changes: object) -> Part:
    from dataclasses import replace

    return replace(prepared.training, **changes)  # type: ignore[arg-type] # test shorthand


def test_folds_hold_every_row_out_once_and_keep_the_classes_even(prepared: Prepared) -> None:
    part = prepared.training
    splits = make_folds(part, 5, 1)
    held = np.concatenate([held for _, held in splits])
    assert len(np.unique(held)) == len(held) > 0.95 * len(part.labels)
    for learned, held in splits:
        assert not set(learned) & set(held)
        shares = np.bincount(part.labels[held], minlength=3) / len(held)
        assert shares == pytest.approx([0.4, 0.4, 0.2], abs=0.06)


def test_folds_judge_no_home_that_was_learned_at_another_price(prepared: Prepared) -> None:
    homes = np.arange(len(prepared.training.labels)).astype(np.uint64)
    homes[1:20:2] = homes[:20:2]
    splits = make_folds(part_with(prepared, homes=homes), 5, 1)
    for learned, held in splits:
        assert not set(homes[learned]) & set(homes[held])
    judged = sum(len(held) for _, held in splits)
    assert len(homes) - 20 <= judged < len(homes)


def test_folds_keep_groups_whole(prepared: Prepared) -> None:
    groups = np.arange(len(prepared.training.labels)) // 7
    for learned, held in make_folds(part_with(prepared, groups=groups), 5, 1):
        assert not set(groups[learned]) & set(groups[held])


def test_few_groups_make_as_many_folds(prepared: Prepared) -> None:
    groups = np.arange(len(prepared.training.labels)) % 3
    part = part_with(prepared, groups=groups)
    held = [set(groups[held]) for _, held in make_folds(part, 5, 1)]
    assert sorted(map(sorted, held)) == [[0], [1], [2]]


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("recipe", ["auto", "seed"])
def test_few_groups_can_be_learned_from(prepared: Prepared, groups: int, recipe: str) -> None:
    part = part_with(prepared, groups=np.arange(len(prepared.training.labels)) % groups)
    found = choose(prepared.fitter(training(recipe)), part, training(recipe), digest="d", say=print)
    for candidate in found.candidates:
        assert candidate.macro_f1 is not None
        assert candidate.macro_f1 > 0.5  # of two groups one alone is learned from
    assert found.calibration.log_loss_after < found.calibration.log_loss_before


def test_one_group_is_refused_by_the_name_of_its_field(prepared: Prepared) -> None:
    part = part_with(prepared, groups=np.zeros(len(prepared.training.labels), np.uint64))
    with pytest.raises(InvalidDataError, match=r"dataset\.split\.groupColumn: .* of one group"):
        make_folds(part, 5, 1)


def test_a_row_of_each_class_is_refused_by_the_name_of_its_field(prepared: Prepared) -> None:
    one_each = np.unique(prepared.training.labels, return_index=True)[1]
    with pytest.raises(InvalidDataError, match=r"dataset\.target\.classes: the 3 rows"):
        make_folds(prepared.training.take(one_each), 5, 1)


@pytest.mark.parametrize("recipe", ["auto", "seed"])
def test_prices_that_rose_with_time_leave_early_folds_with_one_class(
    prepared: Prepared, recipe: str
) -> None:
    part = prepared.training
    part = part_with(prepared, times=part.prices)
    learned, _ = make_folds(part, 5, 1)[0]
    assert set(part.labels[learned]) == {0}
    found = choose(prepared.fitter(training(recipe)), part, training(recipe), digest="d", say=print)
    assert {candidate.name for candidate in found.candidates} in (set(), set(CANDIDATES))
    for candidate in found.candidates:
        assert candidate.rows > 0


@pytest.mark.parametrize("name", CANDIDATES)
def test_who_has_learned_one_class_is_sure_of_it(prepared: Prepared, name: ModelKind) -> None:
    part = prepared.training
    model = prepared.fitter(training()).fit(name, part.take(np.flatnonzero(part.labels == 1)))
    assert model.answer(part.typed).tolist() == [[0, 1, 0]] * len(part.labels)


def test_rows_without_a_time_are_never_held_out(prepared: Prepared) -> None:
    times = np.random.default_rng(1).random(len(prepared.training.labels))
    unknown = np.arange(0, len(times), 30)
    times[unknown] = np.nan
    splits = make_folds(part_with(prepared, times=times), 5, 1)
    assert len(splits) == 5
    for learned, held in splits:
        assert set(unknown) <= set(learned)
        assert np.nanmax(times[learned]) < times[held].min()


def test_the_newest_rows_are_compared_on_and_none_without_a_time(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folds, "MOST_ROWS", 100)
    times = np.arange(len(prepared.training.labels)).astype(np.float64)
    times[::30] = np.nan
    kept = folds.sample(part_with(prepared, times=times), 1).times
    assert kept is not None
    assert len(kept) == 100
    assert not np.isnan(kept).any()
    assert kept.max() == np.nanmax(times)


def test_folds_hold_out_what_is_newer(prepared: Prepared) -> None:
    times = np.random.default_rng(1).random(len(prepared.training.labels))
    for learned, held in make_folds(part_with(prepared, times=times), 3, 1):
        assert times[learned].max() < times[held].min()


@pytest.mark.parametrize("present", [0, 1, 5])
def test_a_fold_may_lack_every_value_of_a_column(prepared: Prepared, present: int) -> None:
    part = prepared.training
    name, values = next(iter(part.typed.numbers.items()))
    rare = np.full_like(values, np.nan)
    rare[:present] = np.arange(present)
    typed = replace(part.typed, numbers={**part.typed.numbers, name: rare})
    fitter = prepared.fitter(Training())
    model = fitter.fit("EncodedBoosting", replace(part, typed=typed), iterations=5)
    assert np.isfinite(model.answer(part.typed)).all()
