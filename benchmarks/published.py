"""Figures that others published, with source and year: other networks, data and training, another int8 or none.

Not measured here, so nothing is compared with them but the order of magnitude; the table says so over every row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One row. `kept`: share of the parameters (or what it says); `before` and `after`: accuracy as published."""

    method: str
    source: str
    year: int
    network: str
    kept: str
    before: str
    after: str
    used: str  # what the method was given: nothing, unlabelled or labelled data, retraining


PUBLISHED = (
    Published(
        "Neuron merging", "Kim, Kim, Park & Jeon, NeurIPS", 2020, "VGG-16, CIFAR-10", "36 %", "93.70", "93.16",
        "nothing",
    ),
    Published(
        "Filter norms (their baseline)", "Kim, Kim, Park & Jeon, NeurIPS", 2020, "VGG-16, CIFAR-10", "36 %", "93.70",
        "88.70", "nothing",
    ),
    Published(
        "Neuron merging", "Kim, Kim, Park & Jeon, NeurIPS", 2020, "LeNet-300-100, FashionMNIST", "20 % of the neurons",
        "89.80", "80.02", "nothing",
    ),
    Published(
        "ALDS (SVD by groups of channels, ranks by error bounds)", "Liebenwein, Maalouf, Gal, Feldman & Rus, NeurIPS",
        2021, "ResNet-20, CIFAR-10", "70 %; 50 %", "–", "3.4; 25 points lost", "nothing",
    ),
    Published(
        "HASTE (hashing of channels at run time)", "Meiner, Mehnert & Condurache, ICPRAM", 2025, "ResNet-34, CIFAR-10",
        "53.3 % of the FLOPs", "–", "1.25 points lost", "nothing",
    ),
    Published(
        "Data-free parameter pruning", "Srinivas & Babu, BMVC", 2015, "AlexNet, ImageNet", "65 %", "–",
        "“without significantly affecting performance”", "nothing",
    ),
    Published(
        "DFNP (generated images, training)", "Data-free network pruning for model compression, ISCAS", 2021,
        "VGG-19, CIFAR-10", "25 %", "–", "99.4 % of the original's", "generated images, training",
    ),
    Published(
        "Filter norms", "Li, Kadav, Durdanovic, Samet & Graf, ICLR", 2017, "VGG-16, CIFAR-10", "36 %", "93.25", "93.40",
        "labelled data, retraining",
    ),
    Published(
        "Filter norms", "Li, Kadav, Durdanovic, Samet & Graf, ICLR", 2017, "ResNet-56, CIFAR-10", "86.3 %", "93.04",
        "93.06", "labelled data, retraining",
    ),
    Published(
        "Tucker-2, VBMF ranks", "Kim, Park, Yoo, Choi, Yang & Shin, ICLR", 2016, "AlexNet, ImageNet (top 5)", "18.3 %",
        "80.03", "78.33", "labelled data, retraining",
    ),
    Published(
        "Tucker-2, VBMF ranks", "Kim, Park, Yoo, Choi, Yang & Shin, ICLR", 2016, "VGG-16, ImageNet (top 5)", "92 %",
        "89.90", "89.40", "labelled data, retraining",
    ),
    Published(
        "Magnitude pruning", "Han, Pool, Tran & Dally, NIPS", 2015, "AlexNet, ImageNet", "11 %", "57.2 (top 1)", "57.2",
        "labelled data, retraining",
    ),
)  # fmt: skip
