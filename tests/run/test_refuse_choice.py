"""Choices that a layer has room for, and those that it has not."""

from __future__ import annotations

import pytest

from compiler.errors import BadInput
from compiler.run.refuse_choice import refuse_choice
from compiler.types import DENSE, Choice, ConvSite

CONV = ConvSite("conv", "conv", (3, 3), 8, 12)
POINT = ConvSite("logits", "dense", (1, 1), 12, 10)


@pytest.mark.parametrize(
    ("site", "choice"),
    [
        (CONV, DENSE),
        (CONV, Choice("tucker2", (8, 12))),
        (CONV, Choice(bits=4)),
        (CONV, Choice("tucker2", (4, 6), bits=2.5)),
        (CONV, Choice("tucker4", (8, 24, 12), "block", (4, 4), 54)),
        (CONV, Choice("cp", (72,))),
        (CONV, Choice("none", (), "unstructured", None, 864)),
        (POINT, Choice("svd", (10,), "filter", None, 3)),
    ],
)
def test_what_fits_is_let_through(site: ConvSite, choice: Choice) -> None:
    refuse_choice(site, choice, "the plan")


@pytest.mark.parametrize(
    ("site", "choice", "asked"),
    [
        (CONV, Choice("foo"), "foo"),
        (CONV, Choice("tucker2", (4,)), "tucker2 of ranks 4"),
        (CONV, Choice("tucker2", (99, 99)), "tucker2 of ranks 99,99"),
        (CONV, Choice("tucker2", (0, 4)), "tucker2 of ranks 0,4"),
        (CONV, Choice("tucker4", (1, 4, 12)), "tucker4 of ranks 1,4,12"),
        (CONV, Choice("svd", (4,)), "svd of ranks 4"),
        (POINT, Choice("svd", (11,)), "svd of ranks 11"),
        (POINT, Choice("cp", (3,)), "cp of ranks 3"),
        (CONV, Choice("cp", (73,)), "cp of ranks 73"),
        (CONV, Choice("cp", (8,), bits=4), "cp of ranks 8 in 4 bits"),
        (POINT, Choice("tucker2", (4, 4)), "tucker2 of ranks 4,4"),
        (CONV, Choice("none"), "none"),
        (CONV, Choice("dense", (), "filter", None, 3), "dense and 3 kept of filter"),
        (CONV, Choice("none", (), "rows", None, 3), "none and 3 kept of rows"),
        (CONV, Choice("none", (), "filter", None, 13), "none and 13 kept of filter"),
        (CONV, Choice("none", (), "filter", None, -1), "none and -1 kept of filter"),
        (CONV, Choice("none", (), "block", None, 3), "none and 3 kept of block"),
        (CONV, Choice("none", (), "block", (0, 4), 3), "none and 3 kept of block"),
        (CONV, Choice("dense", (), None, (4, 4)), "dense"),
        (CONV, Choice(bits=5), "dense in 5 bits"),
        (CONV, Choice("tucker4", (4, 12, 12), bits=1.7), "tucker4 of ranks 4,12,12 in 1.7 bits"),
        (
            CONV,
            Choice("tucker2", (4, 4), "filter", None, 3, 4),
            "tucker2 of ranks 4,4 and 3 kept of filter in 4 bits",
        ),
    ],
)
def test_what_does_not_fit_is_refused(site: ConvSite, choice: Choice, asked: str) -> None:
    with pytest.raises(BadInput, match=rf"^the plan asks for {asked} at layer '{site.name}', which is \d×\d with .*→"):
        refuse_choice(site, choice, "the plan")
