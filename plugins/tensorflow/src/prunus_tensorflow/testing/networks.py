"""Small Keras models with the structures real ones have."""

from __future__ import annotations

from typing import Any


def nested() -> Any:
    """A backbone as a layer of its own, inside another, fed with channels that can go."""
    import keras
    from keras import layers

    block_in = keras.Input((8, 8, 12))
    x = layers.Conv2D(16, 3, padding="same", name="conv")(block_in)
    x = layers.BatchNormalization(name="bn")(x)
    block = keras.Model(block_in, layers.ReLU(name="act")(x), name="block")
    head = keras.Sequential(
        [
            keras.Input((8, 8, 16)),
            layers.SeparableConv2D(20, 3, name="sep"),
            layers.GlobalAveragePooling2D(name="pool"),
        ],
        name="head",
    )
    inner_in = keras.Input((8, 8, 12))
    inner = keras.Model(inner_in, head(block(inner_in)), name="inner")
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", name="stem")(inputs)
    outputs = layers.Dense(5, name="classes")(inner(x))
    return keras.Model(inputs, outputs, name="nested")


def shared() -> Any:
    """Two branches through the same layers and the same nested model."""
    import keras
    from keras import layers

    conv = layers.Conv2D(10, 3, padding="same", name="conv")
    norm = layers.BatchNormalization(name="norm")
    tower_in = keras.Input((8, 8, 10))
    tower = keras.Model(
        tower_in, layers.Conv2D(14, 3, activation="silu", name="deep")(tower_in), name="tower"
    )
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    a, b = (layers.ReLU()(norm(conv(x))) for x in (left, right))
    joined = layers.Concatenate(name="joined")([tower(a), tower(b)])
    x = layers.Flatten(name="flat")(joined)
    x = layers.Dense(12, activation="tanh", name="hidden")(x)
    return keras.Model([left, right], layers.Dense(2, name="score")(x), name="shared")


def unet() -> Any:
    """Encoder, decoder with Conv2DTranspose and UpSampling2D, and skip connections."""
    import keras
    from keras import layers

    def block(x: Any, filters: int, name: str) -> Any:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.LeakyReLU(negative_slope=0.1, name=f"{name}_act")(x)

    inputs = keras.Input((32, 32, 3), name="image")
    one = block(inputs, 8, "one")
    two = block(layers.MaxPooling2D(name="down1")(one), 16, "two")
    three = block(layers.MaxPooling2D(name="down2")(two), 24, "three")
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", name="up2")(three)
    x = block(layers.Concatenate(name="skip2")([x, two]), 16, "four")
    x = layers.UpSampling2D(interpolation="bilinear", name="up1")(x)
    x = block(layers.Concatenate(name="skip1")([x, one]), 8, "five")
    return keras.Model(inputs, layers.Conv2D(4, 1, name="mask")(x), name="unet")


def squeeze_excite() -> Any:
    """A residual block with a channel gate, dropout and a second output."""
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3), name="image")
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(inputs)
    x = layers.Conv2D(16, 3, padding="same", name="expand")(scaled)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Activation("swish", name="swish")(x)
    gate = layers.GlobalAveragePooling2D(name="squeeze")(x)
    gate = layers.Reshape((1, 1, 16), name="reshape")(gate)
    gate = layers.Conv2D(6, 1, activation="relu", name="reduce")(gate)
    gate = layers.Conv2D(16, 1, activation="sigmoid", name="gate")(gate)
    x = layers.Multiply(name="excite")([x, gate])
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(x)
    y = layers.Conv2D(16, 1, name="project")(y)
    x = layers.Add(name="sum")([x, layers.Dropout(0.2, name="drop")(y)])
    side = layers.Conv2D(2, 1, name="side")(x)
    x = layers.GlobalMaxPooling2D(name="top")(x)
    return keras.Model(inputs, [layers.Dense(3, name="main")(x), side], name="gated")


NETWORKS = {
    "nested": nested,
    "shared": shared,
    "unet": unet,
    "squeeze_excite": squeeze_excite,
}
