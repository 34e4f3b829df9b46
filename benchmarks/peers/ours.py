"""This compiler: study, menus, one exact knapsack, refit in order. Made as `scripts/compress.py` makes it, but that
nothing comes from a cache, so that its time and memory are those of a first run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.peers.bench import Answer, Bench
from compiler.datafree.study import study
from compiler.run.attempt import Attempts
from compiler.run.search import offer
from compiler.run.session import blocks_of, few_bits_of


def ours(bench: Bench, **settings: Any) -> Answer:
    """`settings` are fields of `Options`, such as `pruning_structure="block"`."""
    options = replace(bench.session.options, compression_factor=bench.budget, **settings)
    known = bench.session.knowledge
    session = replace(
        bench.session, options=options, knowledge=study(bench.network, bench.inputs, known.source, options.seed)
    )
    for name in ("original", "reference"):  # what every row is compared with costs no method time
        session.__dict__[name] = getattr(bench.session, name)
    attempts = Attempts(session, offer(session), "params")
    built = attempts(bench.budget)
    model = built.emitted.model
    few = few_bits_of(model, built.choices)
    return Answer(model, blocks_of(built.choices), attempts.said(built), few_bits=few)
