"""A forest that was interrupted is the same tree by tree; checkpoints that do not fit are passed over."""

import hashlib
import pickle
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from housing_core.api.spec import Forest, Training
from housing_core.registry_types import NotInRegistryError
from housing_training.checkpoints import artifacts
from housing_training.checkpoints.resumable_forest import ResumableForest
from housing_training.checkpoints.tree_files import read_trees, write_trees
from housing_training.data.target import Classes
from housing_training.models import forest
from housing_training.models.forest import features_per_split, forest_digest, grow_forest, steps
from housing_training.progress import Progress

SETTINGS = Forest(trees=10)
SEED = 5
WIDTH = 6


def rows(seed: int = 0) -> tuple[sparse.csr_matrix[np.float32], Classes]:
    chance = np.random.default_rng(seed)
    features = chance.random((300, 6)).astype(np.float32)
    return sparse.csr_matrix(features), (features.sum(axis=1) > 3).astype(np.int64)


DIGEST = forest_digest(*rows(), SETTINGS, SEED, WIDTH)


class Store:
    """Artifacts of a run in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}

    def names(self, folder: str = "") -> list[str]:
        return [path.rpartition("/")[2] for path in self.files if path.startswith(folder)]

    def download(self, path: str) -> bytes:
        if path not in self.files:
            raise NotInRegistryError(path)
        return self.files[path]

    def upload(self, path: str, content: bytes) -> None:
        self.files[path] = content

    def log(
        self,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.tags |= tags or {}

    def unpack(self, digest: str = DIGEST) -> tuple[list[DecisionTreeClassifier], list[str]]:
        found = artifacts.unpack(self.names(), self.download, digest, 10)
        return [tree for file in found.files for tree in read_trees(file)], found.messages


def grown(store: Store | None = None) -> tuple[forest.RandomForestClassifier, Store]:
    """A forest as the Job grows it, and what its run holds then."""
    store = store or Store()
    given = {"seed": SEED, "forest": SETTINGS.to_json(), "checkpoint": {"everyTrees": 4}}
    training = Training.model_validate(given)
    features, labels = rows()
    made = ResumableForest(store, training, Progress()).grow(features, labels, WIDTH)
    return made, store


def same(first: DecisionTreeClassifier, second: DecisionTreeClassifier) -> bool:
    one, two = first.tree_.__getstate__(), second.tree_.__getstate__()
    return bool(
        np.array_equal(one["nodes"], two["nodes"]) and np.array_equal(one["values"], two["values"])
    )


@pytest.mark.parametrize(
    ("trees", "done", "every", "expected"),
    [
        (100, 0, 20, [20, 40, 60, 80, 100]),
        (100, 40, 20, [60, 80, 100]),
        (100, 50, 20, [70, 90, 100]),
        (100, 100, 20, []),
        (10, 0, 20, [10]),
        (10, 0, 3, [3, 6, 9, 10]),
    ],
)
def test_checkpoints_come_every_so_many_trees_and_at_the_end(
    trees: int, done: int, every: int, expected: list[int]
) -> None:
    assert steps(trees, done, every) == expected


def test_each_checkpoint_holds_the_new_trees_only() -> None:
    files = {path: content for path, content in grown()[1].files.items() if ".arrow.zst" in path}
    assert {path: len(read_trees(content)) for path, content in files.items()} == {
        "checkpoints/trees-000004.arrow.zst": 4,
        "checkpoints/trees-000008.arrow.zst": 4,
        "checkpoints/trees-000010.arrow.zst": 2,
    }


@pytest.mark.parametrize("last", [4, 8, 10])
def test_a_resumed_forest_is_the_same_tree_by_tree(last: int) -> None:
    whole, store = grown()
    left = Store()
    left.files = {
        path: content
        for path, content in store.files.items()
        if int(path.partition("trees-")[2][:6]) <= last
    }
    resumed, _ = grown(left)
    assert left.tags == {"resumed_from_trees": str(last)}
    assert left.files == store.files
    assert len(resumed.estimators_) == 10
    assert all(map(same, resumed.estimators_, whole.estimators_))
    features = rows()[0].toarray()
    assert np.array_equal(resumed.predict_proba(features), whole.predict_proba(features))


def test_a_forest_with_checkpoints_is_the_stock_one() -> None:
    features, labels = rows()
    stock = RandomForestClassifier(10, class_weight="balanced", max_features=2, random_state=SEED)
    stock.fit(features.toarray(), labels)
    for made in (grown()[0], grow_forest(features, labels, SETTINGS, seed=SEED, width=WIDTH)):
        assert all(map(same, made.estimators_, stock.estimators_))


def test_a_restored_tree_has_all_that_a_grown_one_has() -> None:
    whole = grow_forest(*rows(), SETTINGS, seed=SEED, width=WIDTH)
    for tree, restored in zip(whole.estimators_, grown()[1].unpack()[0], strict=True):
        one, two = vars(tree), vars(restored)
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one if name != "tree_")
        one, two = tree.tree_.__getstate__(), restored.tree_.__getstate__()
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_sparse_features_grow_the_same_forest_as_dense_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dense = grow_forest(*rows(), SETTINGS, seed=SEED)
    monkeypatch.setattr(forest, "DENSE_LIMIT_BYTES", 0)
    thin = grow_forest(*rows(), SETTINGS, seed=SEED)
    assert all(map(same, dense.estimators_, thin.estimators_))


def test_a_tree_draws_as_many_rows_as_there_are_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(found: forest.RandomForestClassifier) -> set[float]:
        return {round(tree.tree_.weighted_n_node_samples[0], 6) for tree in found.estimators_}

    plain = Forest(trees=3, class_weight="None")
    whole, before = grow_forest(*rows(), plain, seed=SEED), forest_digest(*rows(), plain, SEED)
    monkeypatch.setattr(forest, "MOST_ROWS_OF_A_TREE", 80)
    limited, after = grow_forest(*rows(), plain, seed=SEED), forest_digest(*rows(), plain, SEED)
    assert (drawn(whole), drawn(limited)) == ({300}, {80})
    assert before != after


def test_a_checkpoint_of_another_forest_is_passed_over() -> None:
    trees, messages = grown()[1].unpack(digest="of other rows")
    assert trees == []
    assert "belongs to another forest" in messages[0]


def test_damaged_trees_end_what_can_be_resumed() -> None:
    store = grown()[1]
    path = "checkpoints/trees-000008.arrow.zst"
    store.files[path] = store.files[path][:-1]
    trees, messages = store.unpack()
    assert len(trees) == 4
    assert messages == ["checkpoint trees-000008.json is ignored: its trees are damaged"]


def test_a_marker_that_cannot_be_read_is_passed_over() -> None:
    store = grown()[1]
    store.files["checkpoints/trees-000004.json"] = b"{"
    trees, messages = store.unpack()
    assert trees == []
    assert "its marker cannot be read" in messages[0]


def test_trees_without_a_marker_do_not_count() -> None:
    store = grown()[1]
    del store.files["checkpoints/trees-000008.json"]
    assert len(store.unpack()[0]) == 4


def test_a_marker_without_its_trees_ends_what_can_be_resumed() -> None:
    store = grown()[1]
    del store.files["checkpoints/trees-000008.arrow.zst"]
    trees, messages = store.unpack()
    assert len(trees) == 4
    assert messages == ["checkpoint trees-000008.json is ignored: its trees are not there"]


def replaced(store: Store, content: bytes) -> Store:
    """The store with other content of its first checkpoint, as its marker says."""
    path = "checkpoints/trees-000004"
    marker = artifacts.Marker(
        first=0, last=4, digest=DIGEST, sha256=hashlib.sha256(content).hexdigest()
    )
    store.files[f"{path}.arrow.zst"] = content
    store.files[f"{path}.json"] = marker.model_dump_json().encode()
    return store


def test_a_pickle_in_place_of_trees_is_not_loaded() -> None:
    store = replaced(grown()[1], pickle.dumps(print))
    trees, messages = store.unpack()
    assert trees == []
    assert "trees-000004.json is ignored: OSError" in messages[0]


def test_trees_of_another_scikit_learn_are_passed_over() -> None:
    store = grown()[1]
    content = store.files["checkpoints/trees-000004.arrow.zst"]
    found = pa.ipc.open_stream(pa.CompressedInputStream(pa.BufferReader(content), "zstd"))
    names = [name.replace("threshold", "limit") for name in found.schema.names]
    table = found.read_all().rename_columns(names)
    table = table.replace_schema_metadata(found.schema.metadata)
    sink = pa.BufferOutputStream()
    with (
        pa.CompressedOutputStream(sink, "zstd") as compressed,
        pa.ipc.new_stream(compressed, table.schema) as other,
    ):
        other.write_table(table)
    trees, messages = replaced(store, sink.getvalue().to_pybytes()).unpack()
    assert trees == []
    assert "trees-000004.json is ignored: KeyError" in messages[0]


def test_trees_in_the_format_of_an_earlier_release_are_passed_over() -> None:
    store = grown()[1]
    for path in [path for path in store.files if path.endswith(".arrow.zst")]:
        store.files[path.replace(".arrow.zst", ".skops")] = store.files.pop(path)
    trees, messages = store.unpack()
    assert trees == []
    assert messages[0] == "checkpoint trees-000004.json is ignored: its trees are not there"


def test_a_tree_whose_nodes_lead_out_of_it_is_not_used() -> None:
    trees = grown()[0].estimators_[:4]
    state = trees[0].tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"]["left_child"][0] = 1_000_000
    trees[0].tree_.__setstate__(state)
    found, messages = replaced(grown()[1], write_trees(trees)).unpack()
    assert found == []
    assert messages[0] == (
        "checkpoint trees-000004.json is ignored: ValueError: "
        "a node leads to no later node of its tree"
    )


def test_a_file_of_fewer_trees_than_its_marker_says_is_not_used() -> None:
    trees = grown()[0].estimators_[:3]
    found, messages = replaced(grown()[1], write_trees(trees)).unpack()
    assert found == []
    assert messages[0] == (
        "checkpoint trees-000004.json is ignored: it does not hold the trees that its marker says"
    )


@pytest.mark.parametrize(
    "other",
    [
        Forest(trees=10, max_depth=3),
        Forest(trees=10, min_samples_leaf=2),
        Forest(trees=10, class_weight="None"),
    ],
)
def test_the_digest_tells_forests_apart(other: Forest) -> None:
    features, labels = rows()
    assert forest_digest(features, labels, other, 5) != forest_digest(features, labels, SETTINGS, 5)
    assert forest_digest(features, labels, SETTINGS, 6) != forest_digest(
        features, labels, SETTINGS, 5
    )
    assert forest_digest(*rows(1), SETTINGS, 5) != forest_digest(features, labels, SETTINGS, 5)


def test_more_trees_of_one_forest_have_its_digest() -> None:
    features, labels = rows()
    more = Forest(trees=20)
    assert forest_digest(features, labels, more, 5) == forest_digest(features, labels, SETTINGS, 5)


@pytest.mark.parametrize(
    ("width", "kept", "drawn"),
    [(16_384, 16_384, 128), (16_384, 2_048, 16), (16_384, 10, 1), (30, 30, 5), (1, 1, 1)],
)
def test_a_split_draws_as_many_kept_features_as_it_would_among_all(
    width: int, kept: int, drawn: int
) -> None:
    assert features_per_split(width, kept) == drawn


def test_a_forest_without_empty_buckets_is_as_large_as_one_with_them() -> None:
    chance = np.random.default_rng(0)
    features = sparse.csr_matrix(chance.random((300, 128)).astype(np.float32))
    labels = np.asarray(features[:, :8].sum(axis=1) > 4).ravel().astype(np.int64)
    padded = sparse.csr_matrix(
        sparse.hstack([features, sparse.csr_matrix((300, 896))]), dtype=np.float32
    )
    settings = Forest(trees=40)
    with_them, without, all_alike = (
        np.mean([tree.tree_.node_count for tree in made.estimators_])
        for made in (
            grow_forest(padded, labels, settings, seed=1),
            grow_forest(features, labels, settings, seed=1, width=1024),
            grow_forest(features, labels, settings, seed=1),
        )
    )
    assert abs(without - with_them) < abs(all_alike - with_them) / 2


def test_trees_that_draw_other_features_belong_to_another_forest() -> None:
    features, labels = rows()
    assert forest_digest(features, labels, SETTINGS, 5, 64) != forest_digest(
        features, labels, SETTINGS, 5, 6
    )
