"""What a method is given: one network in the compiler's normal form, a budget, and inputs or none.

A `Session` of the compiler serves as the common ground, so that every method's answer becomes a file by the same
`Session.emit` and is measured by the same `Session.measure`. The metrics Σ and Γ are not part of it: a method that
wants them pays for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import keras
import numpy as np

from benchmarks.peers.inputs import inputs_of
from benchmarks.peers.seen import Seen, see
from benchmarks.suites import NETWORKS
from compiler.datafree.study import Study, divided
from compiler.flags import parse
from compiler.frontend.read_network import Network, read_network
from compiler.report.progress import Silent
from compiler.run.cache import Cache
from compiler.run.configure_tensorflow import configure_tensorflow
from compiler.run.examples import load_examples
from compiler.run.session import Session
from compiler.run.target_of import target_of
from compiler.surgery.set_kernels import kernel_of
from compiler.types import ConvSite

BlockShapes = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method makes of a network: the Keras model that is quantized, the block shapes of its sparse kernels, and
    what has to be said of it; `few_bits`: its layers of few bits a weight, and their steps. `tflite`: a
    file of its own making, in the place of all that."""

    model: keras.Model
    blocks: BlockShapes = ()
    notes: tuple[str, ...] = ()
    tflite: bytes | None = None
    few_bits: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Bench:
    """`budget`: the share of stored weight bytes that may be kept. `data`: what is given, one of `DATA`."""

    session: Session
    budget: float
    data: str

    @property
    def network(self) -> Network:
        return self.session.network

    @property
    def sites(self) -> tuple[ConvSite, ...]:
        return self.network.inventory.sites

    @property
    def given(self) -> bool:
        """Whether the method may look at inputs."""
        return self.data != "nothing"

    @cached_property
    def inputs(self) -> tuple[np.ndarray, ...]:
        """All inputs, one array (n, …) per model input; a method that was given nothing must not ask."""
        if not self.given:
            raise ValueError("this method was given no inputs")
        known = self.session.knowledge
        return tuple(np.concatenate(pair) for pair in zip(known.inputs, known.held_out, strict=True))

    @cached_property
    def seen(self) -> dict[str, Seen]:
        """What each site sees of the inputs."""
        return see(self.network.folded, self.inputs, self.network.inventory)

    def kernel(self, site: ConvSite) -> tuple[np.ndarray, np.ndarray]:
        """(kernel HWIO, bias (c_out,))."""
        return kernel_of(self.network.folded, site.name)


def read_bench(network: str, data: str, budget: float, jobs: int, settings: Iterable[tuple[str, str]] = ()) -> Bench:
    """The bench for a network of benchmarks/suites.py. `settings`: flags of the compiler, for our own methods.

    Raises BadInput where there are no inputs of that kind.
    """
    bench = NETWORKS[network]
    flags = [f"--input_path={bench.file}", "--output_path=unwritten.tflite", f"--data={bench.data}", *bench.inputs]
    options = parse([*flags, f"--jobs={jobs}", *(f"--{name}={value}" for name, value in settings)])
    configure_tensorflow()
    read = read_network(options.input_path, model_name=None, input_shape=None, exclude=None)
    taught = inputs_of(network, read, options, "synthetic" if data == "nothing" else data)
    teaching, held_out = divided(taught.inputs)
    knowledge = Study(teaching, held_out, taught.source, {}, {}, {})
    examples = load_examples(options, read)
    assert examples is not None, "--data is given"
    cache = Cache(enabled=False)
    session = Session(options, target_of(options), read, knowledge, examples, cache, Silent(), spans=taught.spans)
    return Bench(session, budget, data)
