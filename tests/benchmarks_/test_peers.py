"""Every method keeps its budget in the file, or says that it can't; and the pieces that they are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import DATA, METHODS
from benchmarks.peers.activation_svd import cut, scales
from benchmarks.peers.bench import Bench
from benchmarks.peers.evbmf import evbmf_rank
from benchmarks.peers.magnitude import largest
from benchmarks.peers.spatial_svd import separated
from benchmarks.peers.tf_hybrid import made, offer
from benchmarks.peers.tucker_ratio import nearest
from benchmarks.peers.within import within
from compiler.errors import Infeasible
from compiler.types import Choice, ConvSite
from tests.benchmarks_.bench_of import bench_of
from tests.benchmarks_.test_removal import chain

AFRESH = [name for name in METHODS if "elsewhere" not in METHODS[name].function and not name.startswith("ours")]


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("peers")
        bench = bench_of(chain(), folder, patch, data="synthetic", budget=0.6)
    return {"synthetic": bench, "nothing": replace(bench, data="nothing")}


@pytest.mark.parametrize("data", ["nothing", "synthetic"])
@pytest.mark.parametrize("name", AFRESH)
def test_the_file_keeps_the_budget(name: str, data: str, benches: dict[str, Bench]) -> None:
    bench = benches[data]
    answer = METHODS[name].load()(bench, **dict(METHODS[name].settings))
    session = bench.session
    file = session.emit(answer.model, answer.blocks)
    kept = file.figures.stored_weight_bytes / session.original.figures.stored_weight_bytes
    assert 0.3 < kept <= 0.6


def test_a_method_that_was_given_nothing_can_not_look(benches: dict[str, Bench]) -> None:
    with pytest.raises(ValueError, match="given no inputs"):
        _ = benches["nothing"].seen


def test_every_method_knows_the_data_that_it_takes() -> None:
    assert all(set(method.data) <= set(DATA) and method.data for method in METHODS.values())


def test_within_finds_the_largest_knob() -> None:
    assert within(lambda knob: knob**2, 0.25) == pytest.approx(0.5, abs=1e-6)
    assert within(lambda knob: 0.1 * knob, 0.25) == 1.0
    with pytest.raises(Infeasible, match=r"less than 0\.3000"):
        within(lambda knob: 0.3 + knob, 0.25)


def test_vbmf_finds_a_planted_rank() -> None:
    random = np.random.default_rng(0)
    for rows, columns, rank, noise in ((20, 200, 5, 0.1), (64, 576, 10, 1.0), (64, 64, 8, 0.5), (100, 30, 0, 1.0)):
        signal = random.normal(size=(rows, rank)) @ random.normal(size=(rank, columns)) / np.sqrt(max(rank, 1))
        assert evbmf_rank(signal + noise * random.normal(size=(rows, columns))) == rank


def test_factors_of_full_rank_are_the_kernel() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 6, 5)).astype(np.float32)
    loudness = np.linspace(0.1, 2, 6).astype(np.float32)
    for factors in (
        separated(kernel, 15),
        cut(kernel, 5, scales(loudness)),
        nearest(kernel, Choice("tucker2", (6, 5))),
        nearest(kernel[:1, :1], Choice("svd", (5,))),
    ):
        whole = factors.reconstruct()
        np.testing.assert_allclose(whole, kernel[: len(whole), : whole.shape[1]], atol=1e-5)


def test_loud_channels_are_kept_closer() -> None:
    kernel = np.random.default_rng(1).normal(size=(3, 3, 6, 8)).astype(np.float32)
    loudness = np.array([5, 1, 1, 1, 1, 1], np.float32)
    plain, aware = (np.abs(cut(kernel, 3, s).reconstruct() - kernel)[:, :, 0].sum() for s in (loudness**0, loudness))
    assert aware < 0.8 * plain


def test_the_largest_weights_stay() -> None:
    kernel = np.array([[3.0, -5.0], [1.0, 4.0]]).reshape(1, 1, 2, 2)
    assert largest(kernel, 2).ravel().tolist() == [0, -5, 0, 4]


def test_the_hybrid_leaves_no_more_than_it_says_and_charges_four_for_a_sparse_weight() -> None:
    kernel = np.random.default_rng(2).normal(size=(3, 3, 8, 8)).astype(np.float32)
    offered = offer(ConvSite("conv", "conv", (3, 3), 8, 8), kernel)
    for deviation in (0.0, 0.3, 0.6, 0.9):
        choice = offered.cheapest(deviation)
        if choice.is_dense:
            assert deviation <= 0.3
            continue
        r_in, r_out = choice.ranks
        charge = 8 * r_in + 9 * r_in * r_out + 8 * r_out + 4 * choice.kept
        assert charge == offered.charges[offered.choices.index(choice)] < kernel.size
        left = np.linalg.norm(kernel - made(kernel, choice).reconstruct()) / np.linalg.norm(kernel)
        assert left <= deviation + 1e-5


def test_the_inputs_of_digits_are_not_measured_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.peers import inputs
    from compiler.evidence.read_digits import read_digits

    monkeypatch.setattr(inputs, "MADE", tmp_path)
    path = inputs.real_images("digits")
    assert path is not None
    given = {image.tobytes() for image in np.load(path)["x"]}
    measured = [image.tobytes() for image in read_digits().x[0]]
    assert len(given) > 512
    assert sum(image in given for image in measured) < 3  # the source has a few duplicates
