"""Layers that do nothing at inference."""

from __future__ import annotations

from prunus_tensorflow.keras_model.rules.context import Rule, Site
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable


def dropout(site: Site, x: Dynamic) -> Dynamic:
    """``Dropout`` and its kin; the ratio goes to the recipe.

    Where the layer's input is read elsewhere too, an Identity keeps the two apart.
    """
    if site.keywords.get("training"):
        raise Unlowerable("it is called with training=True")
    if not site.single:
        x = site.same("Identity", x)
    if type(site.layer).__name__ == "Dropout" and site.layer.rate:
        site.builder.dropout.append((x.value, float(site.layer.rate)))
    return x


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout "
            "GaussianDropout GaussianNoise"
        ).split(),
        dropout,
    ),
    **dict.fromkeys(
        (
            "ActivityRegularization Identity RandomFlip RandomRotation RandomZoom "
            "RandomTranslation RandomContrast RandomBrightness RandomShear RandomHue "
            "RandomSaturation RandomColorJitter RandomErasing RandomGaussianBlur "
            "RandomGrayscale RandomInvert RandomPerspective RandomPosterization RandomSharpness "
            "RandomColorDegeneration"
        ).split(),
        lambda _, x: x,
    ),
}
