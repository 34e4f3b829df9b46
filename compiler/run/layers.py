"""Every layer with weights: what it is, what it costs, and whether it can be compressed."""

from __future__ import annotations

from compiler.details import LayerFacts
from compiler.run.session import Session
from compiler.types import DENSE, ConvSite, LeftAlone


def layers_of(session: Session) -> tuple[LayerFacts, ...]:
    """The compressible ones in graph order, then those left alone."""
    inventory = session.network.inventory
    return (*(facts_of(session, site) for site in inventory.sites), *map(facts_of_left, inventory.left))


def facts_of(session: Session, site: ConvSite) -> LayerFacts:
    price = session.target.cost(site, DENSE)
    return LayerFacts(
        site.name, site.kind, site.kernel_shape, site.weights, weight_bytes=price.weight_bytes, macs=price.macs
    )


def facts_of_left(left: LeftAlone) -> LayerFacts:
    return LayerFacts(left.name, left.layer_type, (), left.params, left.reason)
