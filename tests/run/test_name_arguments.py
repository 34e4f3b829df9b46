from __future__ import annotations

import pytest

from compiler.errors import CompilerError, Infeasible
from compiler.run.name_arguments import in_arguments, name_arguments


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--compression_factor 0.3 can't be met", "params=0.3 can't be met"),
        ("--max_arena_bytes 100 can't be met within --seed's", "max_arena_bytes=100 can't be met within seed's"),
        ("--exclude 'conv(' is no regular expression", "exclude='conv(' is no regular expression"),
        ("use --pruning_structure filter, or --target mobile.", "use pruning_structure filter, or target mobile."),
    ],
)
def test_flags_become_arguments(text: str, said: str) -> None:
    assert in_arguments(text, {"compression_factor": "params"}) == said


def test_only_refusals_are_reworded_and_keep_their_kind() -> None:
    with pytest.raises(Infeasible, match=r"^seed=3 is taken$"), name_arguments():
        raise Infeasible("--seed 3 is taken")
    with pytest.raises(ValueError, match="--seed 3"), name_arguments():
        raise ValueError("--seed 3")
    assert issubclass(Infeasible, CompilerError)
