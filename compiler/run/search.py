"""From menus to the plan that is kept: a budget is solved once, a bound is searched."""

from __future__ import annotations

from dataclasses import replace

from compiler.errors import BadInput
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.run.attempt import Attempts, figure, share
from compiler.run.cache import key_of
from compiler.run.cached_menus import Menus, cached_menus, stored_menus
from compiler.run.calibrate_menus import calibrate_menus
from compiler.run.confirmed import confirmed
from compiler.run.found import Found
from compiler.run.menus import menus
from compiler.run.refuse_choice import refuse_choice
from compiler.run.session import Built, Emitted, Session
from compiler.solver.candidates import Menu, menu_of
from compiler.solver.fixed_loss import fixed_loss
from compiler.surgery.set_kernels import kernel_of
from compiler.types import Plan

MORE = 1 + 1e-6  # of the dense plan's price: the solver's tolerance
# Whose source decides what is on a menu.
MENU_ROOMS = ("datafree", "decompose", "sparsity", "solver", "backend", "frontend", "surgery", "run", "tflite")


def search(session: Session, original: Emitted, offered: Menus) -> Found:
    """The plan of `--method`, built and measured."""
    options = session.options
    attempt = Attempts(session, offered, options.budget)
    if options.method == "fixed_params":
        built = attempt(options.compression_factor)
        return Found(built, session.measure(built.emitted.tflite, "report"), notes=attempt.said(built))

    seen: list[tuple[float, float]] = []

    def measured(factor: float) -> tuple[Built, float]:
        built = attempt(factor)
        loss = session.measure(built.emitted.tflite, "search").loss
        seen.append((share(built.emitted, original, options.budget), loss))
        return built, loss

    estimated = session.evaluate is None and session.examples.synthetic
    # Where the original stores biases once that plans fill, the plan that leaves every layer dense is larger than it.
    dense = figure(session.filled, options.budget) / figure(original.figures, options.budget)
    most = MORE * dense if dense > 1 else 1.0
    accepted = fixed_loss(
        measured, attempt.wishes.lowest(), options.max_acc_loss, most, say=session.progress.note, estimated=estimated
    )
    found = confirmed(session, accepted, measured, most)
    return replace(found, evaluations=len(seen), tried=tuple(seen), notes=found.notes + attempt.said(found.built))


def known_offer(session: Session) -> Menus | None:
    """The menus of all sites if an earlier run has priced them: enough to explain a plan that is carried out."""
    return stored_menus(menus_key(session), session.cache)


def asked_menu(session: Session) -> Menu:
    """What the flags allow on the menus, and the target's own number of bits where they don't say."""
    options = session.options
    bits = options.weight_bits or session.target.weight_bits
    return menu_of(options.compression_type, options.pruning_structure, options.block_size, bits)


def menus_key(session: Session) -> str:
    options, network = session.options, session.network
    menu = asked_menu(session)
    return key_of(
        "menus", network.hash, network.classifier, session.knowledge.calibration_hash, network.inventory, menu,
        options.target, options.seed, rooms=MENU_ROOMS,
    )  # fmt: skip


def offer(session: Session) -> Menus:
    """The menus of all sites, from the cache where nothing that they depend on has changed."""
    options, network, knowledge = session.options, session.network, session.knowledge
    menu = asked_menu(session)
    for structure, _ in menu.structures:
        if options.pruning_structure != "auto":
            session.target.refuse_structure(structure)
    refuse_blocks(session)
    sites = network.inventory.sites
    kernels = {site.name: kernel_of(network.folded, site.name)[0] for site in sites}

    def make() -> Menus:
        session.progress.stage("Pricing candidates", total=2 * len(sites))
        priced = menus(
            network.inventory,
            kernels,
            knowledge.metrics,
            session.target,
            menu,
            jobs=options.jobs,
            advance=session.progress.advance,
        )
        return calibrate_menus(network, knowledge, priced, session.progress.advance, jobs=options.jobs)

    return cached_menus(menus_key(session), session.cache, make)


def refuse_blocks(session: Session) -> None:
    """A block that was asked for has to divide the channels of one site at least."""
    options = session.options
    if options.pruning_structure != "block":
        return
    b_in, b_out = options.block_size
    sites = session.network.inventory.sites
    if not any(site.c_in % b_in == 0 and site.c_out % b_out == 0 for site in sites if site.kind == "conv"):
        channels = ", ".join(f"{site.name} {site.c_in}×{site.c_out}" for site in sites[:3])
        raise BadInput(
            f"--block_size {b_in},{b_out} divides the channels of no convolution ({channels}, …); choose divisors of "
            "c_in,c_out."
        )


def plan_name(options: Options) -> str:
    """What a sentence calls the plan."""
    return "the plan" if options.plan is None else f"--plan '{options.plan.name}'"


def refuse_other_network(plan: Plan, network: Network, name: str) -> None:
    """Raise BadInput unless `plan`, called `name`, was made for `network`."""
    if plan.model_hash != network.hash:
        raise BadInput(f"{name} was made for another network; give that one, or leave the plan out.")


def carry_out(session: Session, plan: Plan, offered: Menus | None = None, name: str = "the plan") -> Found:
    """`plan` without a search; `offered` knows what its layers are predicted to lose. Raises BadInput for a plan that
    does not fit the network, naming it `name`."""
    sites = session.network.inventory.sites
    refuse_other_network(plan, session.network, name)
    if plan.target != session.options.target:
        raise BadInput(f"{name} is for target {plan.target}; give that target.")
    here = (session.options.io, session.options.seed)
    made = (dict(plan.settings).get("io", here[0]), plan.seed)
    if made != here:
        said, ours = (f"io {io} and seed {seed}" for io, seed in (made, here))
        raise BadInput(f"{name} was made with {said}, not with {ours}; give those of the plan.")
    layers = [layer for layer, _ in plan.choices]
    twice = next((layer for layer in layers if layers.count(layer) > 1), None)
    if twice is not None:
        raise BadInput(f"{name} names layer '{twice}' twice; give the plan as a run has written it.")
    if set(layers) != {s.name for s in sites}:
        raise BadInput(f"{name} names other layers than are compressible here; give the same --exclude.")
    for site in sites:
        refuse_choice(site, plan.choice(site.name), name)
        session.target.check(site, plan.choice(site.name))
    plan = replace(plan, choices=tuple((site.name, plan.choice(site.name)) for site in sites))
    same = not plan.calibration_hash or plan.calibration_hash == session.knowledge.calibration_hash
    notes = [] if same else ["calibration inputs differ from the plan's, so bytes will differ too"]
    answers = str(session.network.classifier)
    if dict(plan.settings).get("classifier", answers) != answers:
        notes.append("labels told what the plan's network answers with; give that --data again for the same bytes")
    if dict(plan.gates).get("finetune"):
        notes.append("the plan's network was fine-tuned afterwards; this file is as it was before that")
    losses = () if offered is None else predicted(plan, offered)
    built = session.build(plan.choices, losses, plan.predicted_loss, plan.gates or None)
    return Found(built, session.measure(built.emitted.tflite, "report"), replayed=True, notes=tuple(notes))


def predicted(plan: Plan, offered: Menus) -> tuple[float, ...]:
    """The predicted loss of each layer's choice; () where a choice is on no menu."""
    known = {(name, c.choice): c.predicted_loss for name, entries in offered.items() for c in entries}
    losses = [known.get(entry) for entry in plan.choices]
    return () if None in losses else tuple(loss for loss in losses if loss is not None)
