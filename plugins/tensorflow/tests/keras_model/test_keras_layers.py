"""Every layer class with odd settings: neutral graph = Keras, and pruned = masked."""

from __future__ import annotations

from typing import Any

import pytest

from prunus.testing import cut
from prunus_tensorflow.keras_model.lower import lower_model
from prunus_tensorflow.keras_model.rebuild import model_of
from prunus_tensorflow.testing.compare import difference, feed_for, keras_outputs, neutral
from prunus_tensorflow.testing.random_weights import randomise

keras = pytest.importorskip("keras", reason="Keras is not installed")
L = keras.layers
pytestmark = pytest.mark.tensorflow

ONE = {
    "conv_same_even": lambda: L.Conv2D(10, (4, 3), strides=(2, 3), padding="same"),
    "conv_valid": lambda: L.Conv2D(10, (2, 5), strides=2),
    "conv_dilated": lambda: L.Conv2D(10, 3, dilation_rate=(2, 3), padding="same"),
    "conv_grouped": lambda: L.Conv2D(16, 3, groups=2, activation="elu"),
    "conv_depthwise_by_groups": lambda: L.Conv2D(24, 3, groups=12, use_bias=False),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=3, padding="same"),
    "depthwise_strided": lambda: L.DepthwiseConv2D(4, strides=2, padding="same"),
    "separable": lambda: L.SeparableConv2D(9, 3, strides=2, padding="same", depth_multiplier=2),
    "separable_dilated": lambda: L.SeparableConv2D(9, 3, dilation_rate=2, activation="gelu"),
    "transpose_same": lambda: L.Conv2DTranspose(9, 3, strides=2, padding="same"),
    "transpose_same_even": lambda: L.Conv2DTranspose(9, 4, strides=3, padding="same"),
    "transpose_valid": lambda: L.Conv2DTranspose(9, 3, strides=2),
    "transpose_small_kernel": lambda: L.Conv2DTranspose(9, 2, strides=3, use_bias=False),
    "transpose_output_padding": lambda: L.Conv2DTranspose(
        9, 3, strides=2, padding="same", output_padding=0
    ),
    "batch_norm": lambda: L.BatchNormalization(epsilon=1e-2),
    "batch_norm_bare": lambda: L.BatchNormalization(scale=False, center=False),
    "layer_norm": lambda: L.LayerNormalization(),
    "layer_norm_bare": lambda: L.LayerNormalization(scale=False, center=False, axis=(2, 3)),
    "group_norm": lambda: L.GroupNormalization(3),
    "instance_norm": lambda: L.GroupNormalization(-1, scale=False),
    "relu6": lambda: L.ReLU(6.0),
    "relu_full": lambda: L.ReLU(1.0, negative_slope=0.3),
    "leaky": lambda: L.LeakyReLU(negative_slope=0.25),
    "elu": lambda: L.ELU(0.5),
    "prelu": lambda: L.PReLU(),
    "prelu_shared": lambda: L.PReLU(shared_axes=(1, 2)),
    "softmax": lambda: L.Softmax(),
    "softmax_space": lambda: L.Softmax(axis=1),
    "max_pool_same": lambda: L.MaxPooling2D((3, 2), strides=2, padding="same"),
    "average_pool_same": lambda: L.AveragePooling2D(3, strides=2, padding="same"),
    "average_pool": lambda: L.AveragePooling2D(2),
    "global_keepdims": lambda: L.GlobalAveragePooling2D(keepdims=True),
    "upsampling": lambda: L.UpSampling2D((2, 3)),
    "upsampling_bilinear": lambda: L.UpSampling2D((2, 3), interpolation="bilinear"),
    "resizing": lambda: L.Resizing(7, 17),
    "resizing_nearest": lambda: L.Resizing(7, 17, interpolation="nearest"),
    "zero_padding": lambda: L.ZeroPadding2D(((1, 2), (0, 3))),
    "cropping": lambda: L.Cropping2D(((1, 2), (0, 3))),
    "center_crop": lambda: L.CenterCrop(8, 6),
    "permute": lambda: L.Permute((2, 1, 3)),
    "permute_channels": lambda: L.Permute((3, 1, 2)),
    "reshape_rows": lambda: L.Reshape((-1, 12)),
    "rescaling": lambda: L.Rescaling(0.3, 1.2),
    "dense_last_axis": lambda: L.Dense(10, activation="relu"),
    "spatial_dropout": lambda: L.SpatialDropout2D(0.3),
    "identity": lambda: L.Identity(),
}


def agree(model: Any, tolerance: float = 1e-4) -> Any:
    """Lower, compare, halve, compare again; returns the cut."""
    network = lower_model(randomise(model))
    assert not network.notes
    feed = feed_for(network)
    assert difference(keras_outputs(model, network, feed), neutral(network, feed)) < tolerance
    one = cut(network)
    small = model_of(one.masked, one.compact)
    masked = neutral(one.masked, feed)
    assert difference(keras_outputs(small, network, feed), masked) < tolerance
    return one, small


@pytest.mark.parametrize("name", sorted(ONE))
def test_layer_between_convolutions(name: str) -> None:
    inputs = keras.Input((11, 13, 3))
    x = L.Conv2D(12, 3, padding="same", name="before", activation="relu")(inputs)
    x = ONE[name]()(x)
    if len(x.shape) == 4:
        x = L.Conv2D(5, 3, padding="same", name="after")(x)
    else:
        x = L.Conv1D(5, 3, padding="same", name="after")(x)
    model = keras.Model(inputs, x)
    one, small = agree(model)
    frozen = {"layer_norm", "layer_norm_bare", "group_norm", "instance_norm", "softmax"}
    # channels moved to a spatial axis are pixels of the next layer
    frozen |= {"permute_channels"}
    if name not in frozen:
        assert small.get_layer("before").filters == 6
        assert one.grouping.groups


ACTIVATIONS = (
    "relu relu6 leaky_relu elu selu sigmoid tanh softplus softsign exponential hard_sigmoid "
    "hard_silu silu mish gelu log_sigmoid tanh_shrink hard_tanh linear swish"
).split()


@pytest.mark.parametrize("names", [ACTIVATIONS[i::4] for i in range(4)], ids=str)
def test_activations(names: list[str]) -> None:
    inputs = keras.Input((5, 5, 3))
    parts = [L.Conv2D(4, 1, activation=name)(inputs) for name in names]
    x = L.Conv2D(3, 3)(L.Concatenate()(parts))
    agree(keras.Model(inputs, L.Activation("log_softmax")(x)))


def test_one_dimension() -> None:
    inputs = keras.Input((32, 4))
    x = L.Conv1D(12, 5, padding="causal", dilation_rate=2, activation="relu")(inputs)
    x = L.DepthwiseConv1D(3, depth_multiplier=2, padding="same")(x)
    x = L.SeparableConv1D(10, 3, padding="same")(x)
    x = L.ZeroPadding1D(2)(L.UpSampling1D(2)(L.MaxPooling1D(2)(x)))
    x = L.Cropping1D((1, 2))(L.Conv1DTranspose(8, 3, strides=2)(x))
    x = L.AveragePooling1D(3, padding="same")(x)
    x = L.BatchNormalization()(x)
    agree(keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling1D()(x))))


def test_three_dimensions() -> None:
    inputs = keras.Input((6, 7, 8, 2))
    x = L.Conv3D(8, 3, padding="same", activation="relu")(inputs)
    x = L.BatchNormalization()(L.MaxPooling3D(2)(x))
    x = L.Conv3D(6, 2, groups=2)(L.ZeroPadding3D(1)(x))
    x = L.UpSampling3D(2)(L.Cropping3D(1)(x))
    x = L.AveragePooling3D(2, padding="same")(x)
    agree(keras.Model(inputs, L.Dense(3)(L.Flatten()(x))))


def test_merging_layers() -> None:
    inputs = keras.Input((6, 6, 3))
    a, b, c = (L.Conv2D(8, 3, padding="same", name=n)(inputs) for n in "abc")
    x = L.Add()([a, b, c])
    y = L.Subtract()([a, b])
    z = L.Multiply()([L.Maximum()([a, c]), L.Minimum()([a, b, c])])
    gate = L.Dense(8, activation="sigmoid")(L.GlobalMaxPooling2D()(a))
    z = L.Multiply()([z, gate])  # axes are added behind the batch
    x = L.Concatenate()([L.Average()([x, y]), z])
    x = L.Concatenate(axis=1)([x, x])
    _, small = agree(keras.Model(inputs, L.Conv2D(4, 3)(x)))
    assert small.get_layer("a").filters == 4


def test_operators_between_layers() -> None:
    inputs = keras.Input((6, 6, 3))
    a = L.Conv2D(8, 3, name="a")(inputs)
    b = L.Conv2D(8, 3, name="b")(inputs)
    x = keras.ops.relu(a * 2.0 + b) / 3.0
    x = 1.0 - keras.ops.sigmoid(x)
    _, small = agree(keras.Model(inputs, L.Conv2D(4, 3)(x)))
    assert small.get_layer("a").filters == 4


def test_functions_between_layers() -> None:
    ops = keras.ops
    inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(8, 3, padding="same", name="a")(inputs)
    x = ops.leaky_relu(ops.abs(x) - ops.square(ops.elu(x, 0.5)), 0.3)
    gate = ops.sigmoid(L.Dense(8, name="gate")(ops.mean(x, axis=(1, 2), keepdims=True)))
    x = ops.clip(x * gate, -2, 6)
    x = ops.concatenate([x, ops.gelu(x, approximate=False)], axis=-1)
    x = ops.transpose(L.Conv2D(6, 3, name="b")(x), (0, 2, 1, 3))
    pooled = ops.max(x, axis=(1, 2))
    x = ops.concatenate([ops.reshape(x, (-1, 16 * 6)), -pooled], axis=1)
    _, small = agree(keras.Model(inputs, L.Dense(4)(x)))
    assert small.get_layer("a").filters == 4
    assert small.get_layer("gate").units == 4
    assert small.get_layer("b").filters == 3


def test_attention_stays_and_what_is_around_is_pruned() -> None:
    inputs = keras.Input((6, 16))
    x = L.Dense(16, name="in")(inputs)
    y = L.MultiHeadAttention(3, 4, value_dim=5, dropout=0.1)(x, inputs)
    x = L.LayerNormalization()(L.Add()([x, y]))
    x = L.Dense(10)(L.Dense(24, activation="gelu", name="wide")(x))
    y = L.MultiHeadAttention(2, 4, use_bias=False, output_shape=7)(x, value=inputs, key=x)
    one, small = agree(keras.Model(inputs, L.Dense(3)(y)))
    assert small.get_layer("wide").units == 12
    assert small.get_layer("in").units == 16
    reasons = "; ".join(one.masked.frozen.values())
    assert "feeds 'multi_head_attention" in reasons


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda layer, x: layer(x, x, use_causal_mask=True), "it is called with use_causal_mask"),
        (
            lambda layer, x: layer(L.Reshape((3, 2, 8))(x), L.Reshape((3, 2, 8))(x)),
            "it attends over other axes than the middle one of three",
        ),
    ],
)
def test_other_attention_is_opaque(call: Any, reason: str) -> None:
    inputs = keras.Input((6, 8))
    x = call(L.MultiHeadAttention(2, 4, name="heads"), L.Conv1D(8, 1)(L.Conv1D(8, 1)(inputs)))
    network = lower_model(randomise(keras.Model(inputs, x)))
    assert network.notes == (
        f"layer 'heads' of type 'MultiHeadAttention': {reason}; it stays as it is",
    )


def test_reshape_numbers_follow() -> None:
    inputs = keras.Input((4, 4, 3))
    x = L.Conv2D(12, 3, name="conv")(inputs)
    x = L.Reshape((2, 2, 3, 4), name="rows")(x)
    x = L.Permute((1, 2, 4, 3))(x)
    x = L.Reshape((2, 2, 12), name="shuffled")(x)
    x = L.Dense(6)(L.RepeatVector(2)(L.Flatten()(L.Conv2D(5, 1)(x))))
    _, small = agree(keras.Model(inputs, L.Dense(2)(x)))
    kept = small.get_layer("conv").filters
    assert kept < 12
    assert small.get_layer("shuffled").target_shape == (2, 2, kept)


def test_sequential_with_normalization() -> None:
    norm = L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 2.0])
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            norm,
            L.RandomFlip(),
            L.Conv2D(8, 3),
            L.Activation("relu"),
            L.Flatten(),
            L.Dense(10, activation="relu"),
            L.Dropout(0.5),
            L.Dense(3, activation="softmax"),
        ]
    )
    _, small = agree(model)
    assert isinstance(small, keras.Sequential)


def test_activation_given_as_layer() -> None:
    inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(8, 3, activation=L.LeakyReLU(negative_slope=0.4))(inputs)
    agree(keras.Model(inputs, L.Conv2D(2, 1)(x)))


def test_channels_first_layout() -> None:
    # Keras on a processor runs such models layer by layer only; layers that exist there are read
    inputs = keras.Input((3, 9, 9))
    x = L.ZeroPadding2D(1, data_format="channels_first")(inputs)
    x = L.BatchNormalization(axis=1)(x)
    x = L.GlobalAveragePooling2D(data_format="channels_first")(x)
    agree(keras.Model(inputs, L.Dense(2)(L.Dense(8)(x))))
