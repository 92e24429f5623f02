"""The ``[net]`` section as a training recipe.

Format facts: ``parse_net_options`` in Darknet's ``src/parser.c`` for keys and defaults;
``update_convolutional_layer`` and its like: only weights decay, ``learning_rate=`` of a layer
is a factor; ``backward_network``: nothing below a layer with ``stopbackward`` learns;
``forward_batchnorm_layer``: rolling statistics keep 0.99 (pjreddie) or 0.9 (AlexeyAB).
"""

from __future__ import annotations

from collections.abc import Mapping

from prunus.plugin import (
    COUNT_OR_NONE,
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE_BELOW_ONE,
    LearningRate,
    Loss,
    ModelError,
    Network,
    Range,
    Recipe,
    check_room,
)
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.cfg import Cfg, Section, shortened
from prunus_darknet.dialect import Dialect
from prunus_darknet.origin import Origin
from prunus_darknet.records.layers import Layer, Structure

POLICIES = frozenset({"constant", "step", "steps", "exp", "sig", "poly", "random"})
BOX_LOSS = "prunus_darknet.losses.box_loss:box_loss"
_RANGES: Mapping[str, Range] = {
    "B1": SHARE_BELOW_ONE,
    "B2": SHARE_BELOW_ONE,
    "burn_in": COUNT_OR_NONE,
    "decay": NOT_NEGATIVE,
    "eps": NOT_NEGATIVE,
    "gamma": NOT_NEGATIVE,
    "learning_rate": POSITIVE,
    "max_batches": COUNT_OR_NONE,
    "momentum": SHARE_BELOW_ONE,
    "power": FINITE,
    "scale": NOT_NEGATIVE,
    "scales": NOT_NEGATIVE,
    "step": COUNT_OR_NONE,
    "steps": FINITE,
}
_KEPT = {True: 0.99, False: 0.9}
"""pjreddie's fork -> share of the old rolling statistics kept."""


def recipe_of(network: Network) -> Recipe:
    """The recipe a network's cfg holds (`prunus_darknet.read.recipe_cfg` tells which one).

    Raises:
        ModelError: a setting of ``[net]`` cannot be used, with its line.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    net, structure = origin.recipe.net, origin.structure
    _check_ranges(net)
    batch, accumulate = _passes(net)
    sample = structure.input.size * 4
    check_room(batch * sample, f"{net.path}: batch={batch * accumulate} in [net]", ModelError)
    adam = bool(net.integer("adam", 0))
    return Recipe(
        solver="Adam" if adam else "darknet",
        learning_rate=_learning_rate(net),
        momentum=net.real("B1", 0.9) if adam else net.real("momentum", 0.9),
        momentum2=net.real("B2", 0.999),
        delta=net.real("eps", 1e-7),
        weight_decay=net.real("decay", 1e-4),
        iterations=max(0, net.integer("max_batches", 0)) or Recipe().iterations,
        batch_size=batch,
        accumulate=accumulate,
        lr_mult=_rates(structure),
        decay_mult=_decays(network),
        bn_momentum=_KEPT[origin.dialect.is_pjreddie],
        losses=losses_of(network),
        dropout=dropout_of(structure),
    )


def _check_ranges(net: Section) -> None:
    """Refuse numbers that no training can have.

    Raises:
        ModelError: with file and line.
    """
    for key, allowed in _RANGES.items():
        entry = net.find(key)
        values = () if entry is None else net.reals(key)
        if not all(allowed.holds(value) for value in values):
            shown = shortened(net.text(key, ""))
            raise net.error(f"{key}={shown} in [net]: expected {allowed}", key)


def losses_of(network: Network) -> tuple[Loss, ...]:
    """One term for each box-decoding layer, else the classifier's.

    ``[softmax]`` hands ``truth - output`` on unchanged, whether it computes its own loss or a
    ``[cost]`` follows: the gradient of the cross-entropy (``backward_softmax_layer``).
    """
    heads = heads_of(network)
    if heads:
        return tuple(Loss(BOX_LOSS, (head.output,), 1.0, {"head": head}) for head in heads)
    origin = network.origin
    assert isinstance(origin, Origin)
    layers = origin.structure.layers
    last = next((layer for layer in reversed(layers) if layer.type != "cost"), None)
    names = {str(value.name) for value in network.model.graph.outputs}
    if last is None or last.name not in names:
        return ()
    kind = {"softmax": "softmax_cross_entropy", "logistic": "sigmoid_cross_entropy"}.get(last.type)
    if kind is not None:
        return (Loss(kind, (last.name,)),)
    cost = layers[-1] if layers[-1].type == "cost" else None
    if cost is None or cost.section.text("type", "sse") != "sse":
        return ()
    return (Loss("euclidean", (last.name,), cost.section.real("scale", 1)),)


def dropout_of(structure: Structure) -> Mapping[str, float]:
    """Value that a ``[dropout]`` acts on -> ratio of values set to zero."""
    found = {}
    for layer in structure.layers:
        ratio = layer.section.real("probability", 0.5) if layer.type == "dropout" else 0.0
        if ratio > 0:
            if ratio >= 1:
                raise layer.section.error("probability is a ratio below 1", "probability")
            found[layer.name] = ratio
    return found


def notes_of(cfg: Cfg, structure: Structure, dialect: Dialect) -> tuple[str, ...]:
    """Differences from the cfg's training."""
    notes = []
    if any(layer.section.integer("random", 0) for layer in structure.layers):
        notes.append(
            f"{cfg.path.name}: random=1 (another input size every ten batches) has no effect: "
            "samples keep the network's size"
        )
    keys = ("mosaic", "mixup", "cutmix", "blur", "gaussian_noise")
    used = [key for key in keys if cfg.net.integer(key, 0)]
    if used and not dialect.is_pjreddie:
        notes.append(f"{cfg.path.name}: {', '.join(used)} in [net]: no such augmentation here")
    name = cfg.net.text("policy", "constant")
    if name not in POLICIES | {"sgdr"}:
        notes.append(f"{cfg.path.name}: unknown policy={name}: constant, as in Darknet itself")
    if name == "sgdr" and cfg.net.has("sgdr_cycle"):
        notes.append(f"{cfg.path.name}: policy=sgdr runs one cosine, sgdr_cycle has no effect")
    return tuple(notes)


def _passes(net: Section) -> tuple[int, int]:
    """Samples of a pass, and passes before an update (``batch /= subdivs``)."""
    batch, parts = net.integer("batch", 1), net.integer("subdivisions", 1)
    if batch < 1 or parts < 1:
        raise net.error("batch and subdivisions start from 1", "batch")
    return max(1, batch // parts), parts


def _learning_rate(net: Section) -> LearningRate:
    policy = _policy(net)
    steps, scales = net.integers("steps"), net.reals("scales")
    if policy == "steps" and (not steps or len(steps) > len(scales)):
        raise net.error(
            f"policy=steps: {len(steps)} steps and {len(scales)} scales; "
            "give a scale for each step",
            "policy",
        )
    if policy == "step":
        scales = (net.real("scale", 1),)
    return LearningRate(
        policy=policy,
        base=net.real("learning_rate", 0.001),
        gamma=net.real("gamma", 1),
        power=net.real("power", 4),
        stepsize=max(1, net.integer("step", 1)),
        steps=steps,
        scales=scales,
        warm_up=net.integer("burn_in", 0),
    )


def _policy(net: Section) -> str:
    """Darknet goes on with a constant rate where it does not know the policy."""
    name = net.text("policy", "constant")
    if name == "sgdr":  # without sgdr_cycle= one cosine over the whole training
        return "cosine"
    return name if name in POLICIES else "constant"


def _rates(structure: Structure) -> dict[str, float]:
    """Initializer -> factor of the learning rate, where it is not 1."""
    stops = (x.index for x in structure.layers if x.section.integer("stopbackward", 0))
    still = max(stops, default=-1)
    found = {}
    for layer in structure.layers:
        factor = 0.0 if layer.index <= still else layer.section.real("learning_rate", 1)
        for blob in layer.blobs:
            if factor != 1:
                found[_name(layer, blob.role)] = factor
    return found


def _decays(network: Network) -> dict[str, float]:
    """Initializer -> 0 for everything but weights."""
    return {name: 0.0 for name, binding in network.bindings.items() if binding.role != "weight"}


def _name(layer: Layer, role: str) -> str:
    return f"{layer.name}/{role}"
