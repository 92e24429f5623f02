"""Which Darknet fork wrote a network: pjreddie's or AlexeyAB's.

The lines disagree on batch normalisation (``src/blas.c``, ``normalize_cpu``:
``sqrt(var) + 1e-6`` against ``sqrt(var + 1e-5)``), on ``[batchnorm]`` weights and on
``[shortcut]`` between maps of different size. OpenCV DNN reads both files and
computes ``sqrt(var + 1e-6)``, hence a third convention for those who deploy there.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from prunus.plugin import UsageError
from prunus_darknet.cfg import Cfg

PJREDDIE = "pjreddie"
ALEXEYAB = "alexeyab"
OPENCV = "opencv"
NORMALIZATIONS = (PJREDDIE, ALEXEYAB, OPENCV)

_FORMULA = {
    PJREDDIE: "sqrt(variance) + 1e-6",
    ALEXEYAB: "sqrt(variance + 1e-5)",
    OPENCV: "sqrt(variance + 1e-6)",
}
_ALEXEYAB_LAYERS = frozenset(
    [
        "scale_channels",
        "sam",
        "Gaussian_yolo",
        "local_avg",
        "local_avgpool",
        "reorg3d",
        "conv_lstm",
        "history",
        "contrastive",
        "empty",
        "silence",
        "implicit",
    ]
)
_ALEXEYAB_ACTIVATIONS = frozenset(
    [
        "relu6",
        "gelu",
        "swish",
        "mish",
        "hard_mish",
        "revleaky",
        "normalize_channels",
        "normalize_channels_softmax",
        "normalize_channels_softmax_maxval",
    ]
)
_NET_KEYS = frozenset(
    [
        "mosaic",
        "cutmix",
        "mixup",
        "letter_box",
        "blur",
        "gaussian_noise",
        "learning_rate_min",
        "sgdr_cycle",
        "sgdr_mult",
        "optimized_memory",
        "workspace_size_limit_MB",
        "ema_alpha",
        "dynamic_minibatch",
        "resize_step",
        "max_chart_loss",
        "label_smooth_eps",
        "mosaic_bound",
        "try_fix_nan",
        "use_cuda_graph",
    ]
)
_CONVOLUTION_KEYS = frozenset(
    [
        "dilation",
        "stride_x",
        "stride_y",
        "antialiasing",
        "share_index",
        "assisted_excitation",
        "cbn",
        "sway",
        "rotate",
        "stretch",
        "stretch_sway",
        "coordconv",
        "grad_centr",
        "bin_output",
    ]
)
_YOLO_KEYS = frozenset(
    [
        "scale_x_y",
        "iou_loss",
        "iou_normalizer",
        "cls_normalizer",
        "obj_normalizer",
        "delta_normalizer",
        "nms_kind",
        "beta_nms",
        "iou_thresh",
        "iou_thresh_kind",
        "new_coords",
        "objectness_smooth",
        "counters_per_class",
        "max_delta",
        "focal_loss",
        "label_smooth_eps",
        "embedding_layer",
        "uc_normalizer",
    ]
)
_ALEXEYAB_KEYS: Mapping[str, frozenset[str]] = {
    "net": _NET_KEYS,
    "network": _NET_KEYS,
    "convolutional": _CONVOLUTION_KEYS,
    "conv": _CONVOLUTION_KEYS,
    "maxpool": frozenset({"stride_x", "stride_y", "maxpool_depth", "antialiasing"}),
    "route": frozenset({"groups", "group_id", "stream"}),
    "shortcut": frozenset({"weights_type", "weights_normalization"}),
    "yolo": _YOLO_KEYS,
    "dropout": frozenset({"dropblock", "dropblock_size_rel", "dropblock_size_abs"}),
}


@attrs.frozen
class Dialect:
    """How a network's files are to be read.

    Attributes:
        normalization: ``pjreddie``, ``alexeyab`` or ``opencv``.
        reason: Why, for the note.
    """

    normalization: str
    reason: str

    @property
    def is_pjreddie(self) -> bool:
        """Whether layers follow the pjreddie fork where the two forks differ."""
        return self.normalization == PJREDDIE

    @property
    def note(self) -> str:
        """A sentence for the user."""
        others = " or ".join(name for name in NORMALIZATIONS if name != self.normalization)
        return (
            f"batch normalisation divides by {_FORMULA[self.normalization]} ({self.normalization}: "
            f"{self.reason}); choose another with --option normalization={others}"
        )


def dialect_of(cfg: Cfg, revision: tuple[int, int, int] | None, asked: str | None) -> Dialect:
    """Choose the dialect.

    Args:
        cfg: The parsed cfg.
        revision: Version numbers of the weights file; AlexeyAB writes 0.2.5.
        asked: Value of the option ``normalization``, if given.

    Raises:
        UsageError: ``asked`` is no known convention.
    """
    if asked is not None:
        if asked not in NORMALIZATIONS:
            choices = ", ".join(NORMALIZATIONS)
            raise UsageError(f"option normalization={asked}: choose one of {choices}")
        return Dialect(asked, "as asked")
    hint = _alexeyab_hint(cfg)
    if hint is not None:
        return Dialect(ALEXEYAB, hint)
    if revision == (0, 2, 5):
        return Dialect(ALEXEYAB, "the weights file has version 0.2.5")
    return Dialect(PJREDDIE, "nothing in the files is AlexeyAB's alone")


def _alexeyab_hint(cfg: Cfg) -> str | None:
    """A key or layer of the cfg that only AlexeyAB's Darknet knows, or ``None``."""
    for section in cfg.sections:
        if section.type in _ALEXEYAB_LAYERS:
            return f"[{section.type}] in line {section.line}"
        activation = section.find("activation")
        if activation is not None and activation.value in _ALEXEYAB_ACTIVATIONS:
            return f"activation={activation.value} in line {activation.line}"
        if section.type == "shortcut" and "," in section.text("from", ""):
            return f"[shortcut] with several layers in line {section.line}"
        known = _ALEXEYAB_KEYS.get(section.type, frozenset())
        entry = next((entry for entry in section.entries if entry.key in known), None)
        if entry is not None:
            return f"{entry.key}= in line {entry.line}"
    return None
