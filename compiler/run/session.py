"""What every stage of one run shares, and the two things that all of them do: make a file, and measure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType

import keras
import numpy as np

from compiler.backend.emit import emit
from compiler.backend.stored_bytes import leaves_out_biases, macs
from compiler.backend.targets.target import Target
from compiler.backend.verify import run
from compiler.datafree.study import Study
from compiler.evidence.evaluate import Evaluate, compare_scores, scores_of
from compiler.frontend.feed import feed
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.report.progress import Progress
from compiler.result import Evidence, StoredFigures
from compiler.run.cache import Cache
from compiler.run.confined import confined
from compiler.run.examples import BATCH, Examples
from compiler.run.on_target import Reference, reference_of
from compiler.surgery.fill_biases import fill_biases
from compiler.surgery.finetune import Finetune, finetune
from compiler.surgery.realise import Gates, Realised, realise
from compiler.surgery.round_kernels import few_bit_layers, round_kernels
from compiler.surgery.split_convs import split_convs
from compiler.types import Choice, Inventory, Span


@dataclass(frozen=True, eq=False)
class Emitted:
    """A file in memory, the float model that it stands for, and its size."""

    tflite: bytes
    model: keras.Model
    figures: StoredFigures


@dataclass(frozen=True, eq=False)
class Built:
    """One plan carried out: choices, factors, file."""

    choices: tuple[tuple[str, Choice], ...]
    losses: tuple[float, ...]  # predicted, nats, in the order of `choices`; () where a plan was replayed
    predicted_loss: float
    realised: Realised
    emitted: Emitted


@dataclass(frozen=True, eq=False)
class Session:
    """One run of the compiler on one network."""

    options: Options
    target: Target  # as the flags ask for it
    network: Network
    knowledge: Study
    examples: Examples
    cache: Cache
    progress: Progress
    evaluate: Evaluate | None = None  # a score of the user's own, in the place of `examples`
    spans: tuple[Span | None, ...] = ()  # of each input, what files have to hold beside the inputs of `knowledge`

    @cached_property
    def original(self) -> Emitted:
        """The original network's int8 file, by the same converter and writer: what all sizes are compared with."""
        self.progress.stage("Emitting the original for comparison")
        return self.emit(self.network.whole, target=self.target)

    @cached_property
    def dense(self) -> Emitted:
        """The file that a plan without any compression gives: the original's, or a smaller one where the network that
        is compressed has fewer channels."""
        if self.network.folded is self.network.whole:
            same = self.confined == self.target
            return self.original if same else self.stored(self.original.tflite, self.original.model, self.confined)
        self.progress.stage("Emitting the network without its constant channels")
        return self.emit(self.network.folded)

    @cached_property
    def inventory(self) -> Inventory:
        """With what the original spends beyond `filled`."""
        return replace(self.network.inventory, dropped=self.original.figures.cost - self.filled.cost)

    @cached_property
    def filled(self) -> StoredFigures:
        """Of the file that a plan without any compression gives, were no bias zero: those of plans aren't."""
        dense = self.dense
        if not (self.target.is_tflite and leaves_out_biases(dense.tflite)):
            return dense.figures
        self.progress.stage("Emitting the network with all of its biases")
        return self.emit(fill_biases(self.network.folded, self.network.inventory)).figures

    @cached_property
    def reference(self) -> Reference:
        """That file in the target's own tool. Raises BadInput or CheckFailed where the tool is missing or refuses."""
        original = self.original
        self.progress.stage(f"Running the original: {self.target.tool}")
        return reference_of(self.target, original.tflite, self.knowledge.held_out, original.figures.macs)

    @cached_property
    def confined(self) -> Target:
        """The target of compressed files."""
        return confined(self.target, self.reference.figures.arena_bytes, self.options.max_arena_bytes)

    def emit_rounded(
        self,
        model: keras.Model,
        blocks: tuple[tuple[int, int], ...],
        few_bits: Mapping[str, np.ndarray] = MappingProxyType({}),
        keep: bool | None = None,
    ) -> tuple[Emitted, tuple[str, bool]]:
        """The file of a model whose kernels are rounded with the inputs in view, where that gains (or where `keep`
        says so), and the gate's decision. `few_bits`: layers of whole steps, and how wide."""
        rounded, kept = round_kernels(
            model,
            self.knowledge.inputs,
            self.knowledge.held_out,
            per_tensor_dense=self.target.per_tensor_dense,
            few_bits=few_bits,
            seed=self.options.seed,
            keep=keep,
        )
        return replace(self.emit(rounded, blocks, bool(few_bits)), model=model), ("round", kept)

    def emit(
        self,
        model: keras.Model,
        blocks: tuple[tuple[int, int], ...] = (),
        few_bits: bool = False,
        target: Target | None = None,
    ) -> Emitted:
        """The int8 file of a float model on `target` [default: `confined`]."""
        target = target or self.confined
        calibration = (*zip(self.knowledge.inputs, self.knowledge.held_out, strict=True),)
        joined = [np.concatenate(parts) for parts in calibration]
        tflite = emit(model, joined, target, spans=self.spans, io=self.options.io, blocks=blocks, few_bits=few_bits)  # type: ignore[arg-type]
        return self.stored(tflite, model, target)

    @staticmethod
    def stored(tflite: bytes, model: keras.Model, target: Target) -> Emitted:
        """A file and what it takes on `target`."""
        stored = target.stored(tflite)
        return Emitted(
            tflite, model, StoredFigures(stored.params, stored.weight_bytes, stored.file_bytes, macs(tflite))
        )

    def build(
        self,
        choices: tuple[tuple[str, Choice], ...],
        losses: tuple[float, ...],
        predicted_loss: float,
        decided: Gates | None = None,
    ) -> Built:
        """Fit, refit, split and emit a plan."""
        chosen: Mapping[str, Choice] = dict(choices)
        realised = realise(
            self.network,
            self.knowledge,
            chosen,
            seed=self.options.seed,
            jobs=self.options.jobs,
            recover=self.options.recover == "synthetic" if decided is None else "recover" in dict(decided),
            decided=decided,
            stage=self.progress.stage,
            advance=self.progress.advance,
        )
        self.progress.stage("Emitting the file")
        model = split_convs(self.network.folded, realised.fitted, chosen, self.network.inventory, self.target)
        few = few_bits_of(model, choices)
        emitted, gate = self.emit_rounded(model, blocks_of(choices), few, dict(decided or ()).get("round"))
        return Built(choices, losses, predicted_loss, with_gates(realised, gate), emitted)

    def finetune(self, built: Built, hook: Finetune) -> Built:
        """The same plan with the weights that the user's own training gives it."""
        self.progress.stage("Fine-tuning")
        few = few_bits_of(built.emitted.model, built.choices)
        model = finetune(built.emitted.model, hook, few)
        self.progress.stage("Emitting the file")
        emitted, gate = self.emit_rounded(model, blocks_of(built.choices), few)
        return replace(built, realised=with_gates(built.realised, gate, ("finetune", True)), emitted=emitted)

    @cached_property
    def original_outputs(self) -> list[np.ndarray]:
        """The float original's outputs on all examples."""
        return self.examples.outputs_of(self.network.normal)

    @cached_property
    def original_scores(self) -> np.ndarray:
        """What `evaluate` says of the float original."""
        assert self.evaluate is not None
        model = self.network.normal

        def answer(x: list[np.ndarray]) -> list[np.ndarray]:
            batches = [[part[i : i + BATCH] for part in x] for i in range(0, len(x[0]), BATCH)]
            each = [keras.tree.flatten(model.predict_on_batch(feed(model, batch))) for batch in batches]
            return [np.concatenate([np.asarray(z) for z in parts]) for parts in zip(*each, strict=True)]

        return scores_of(self.evaluate, answer)[0]

    def answers(self, tflite: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The file's outputs by the kernels that answer as the target does."""
        return run(tflite, inputs, kernels=self.target.kernels, threads=self.options.jobs)

    def measure(self, tflite: bytes, part: str) -> Evidence:
        """The loss of a file on the "search" or the "report" part of the examples."""
        if self.evaluate is not None:
            scores, seen = scores_of(self.evaluate, partial(self.answers, tflite))
            return compare_scores(self.original_scores, scores, seen)
        indices = self.examples.part(part)
        compressed = self.answers(tflite, list(self.examples.inputs(indices)))
        return self.examples.judge([z[indices] for z in self.original_outputs], compressed, part)


def with_gates(realised: Realised, *gates: tuple[str, bool]) -> Realised:
    """`realised` with later decisions in the place of earlier ones of the same name."""
    return replace(realised, gates=tuple({**dict(realised.gates), **dict(gates)}.items()))


def blocks_of(choices: tuple[tuple[str, Choice], ...]) -> tuple[tuple[int, int], ...]:
    """The block shapes of a plan, sorted."""
    return tuple(sorted({choice.block for _, choice in choices if choice.block is not None}))


def few_bits_of(model: keras.Model, choices: tuple[tuple[str, Choice], ...]) -> Mapping[str, np.ndarray]:
    """The layers that the plan gives few bits, and their steps."""
    ends = ("", *(f"_{role}" for role in ("first", "core", "last")))
    made = {name + end for name, choice in choices if not choice.is_int8 for end in ends}
    return {name: steps for name, steps in few_bit_layers(model).items() if name in made} if made else {}
