"""Small networks of the TF1 age, each full of a few ways to write a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Build = Callable[[Any, Any], Any]


class Weights:
    """Variables by name, ref or resource."""

    def __init__(self, tf1: Any, resource: bool) -> None:
        self.tf1, self.resource = tf1, resource

    def __call__(self, name: str, *shape: int) -> Any:
        return self.tf1.get_variable(name, shape, use_resource=self.resource)


def lenet(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)
        x = tf1.placeholder(tf.float32, [None, 12, 12, 1], name="x")
        h = tf.nn.conv2d(x, w("c1/w", 3, 3, 1, 6), 1, "SAME") + w("c1/b", 6)
        h = tf.nn.max_pool2d(tf.nn.relu(h), 3, 2, "SAME")
        h = tf.nn.bias_add(tf.nn.conv2d(h, w("c2/w", 3, 3, 6, 8), 2, "VALID"), w("c2/b", 8))
        h = tf.nn.elu(h)
        h = tf.reshape(h, [-1, 2 * 2 * 8])
        h = tf.nn.tanh(tf.matmul(h, w("f1/w", 32, 10)) + w("f1/b", 10))
        h = tf.matmul(h, w("f2/w", 5, 10), transpose_b=True) + w("f2/b", 5)
        return tf.nn.softmax(h, name="out")

    return build


def fused(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)

        def norm(h: Any, name: str, c: int) -> Any:
            parts = [w(f"{name}/{p}", c) for p in ("gamma", "beta", "mean", "var")]
            return tf1.nn.fused_batch_norm(h, *parts, epsilon=1e-3, is_training=False)[0]

        x = tf1.placeholder(tf.float32, [None, 11, 13, 3], name="x")
        h = norm(tf.nn.conv2d(x, w("c1/w", 3, 3, 3, 8), 2, "SAME"), "n1", 8)
        h = tf.nn.relu6(h)
        h = tf1.nn.depthwise_conv2d(h, w("d1/w", 3, 3, 8, 2), [1, 1, 1, 1], "SAME")
        h = tf.nn.relu(norm(h, "n2", 16))
        h = tf.nn.avg_pool2d(h, 3, 2, "SAME")
        s = norm(tf.nn.conv2d(h, w("c2/w", 1, 1, 16, 12), 1, "SAME"), "n3", 12)
        h = norm(tf.nn.conv2d(h, w("c3/w", 3, 3, 16, 12), 1, "SAME"), "n4", 12)
        h = tf.nn.relu(h + s)
        e = tf.reduce_mean(h, [1, 2], keepdims=True)
        e = tf.nn.relu(tf.nn.conv2d(e, w("e1/w", 1, 1, 12, 4), 1, "SAME") + w("e1/b", 4))
        e = tf.sigmoid(tf.nn.conv2d(e, w("e2/w", 1, 1, 4, 12), 1, "SAME") + w("e2/b", 12))
        h = tf.reduce_mean(h * e, [1, 2])
        return tf.identity(tf.matmul(h, w("f/w", 12, 4)) + w("f/b", 4), name="out")

    return build


def decomposed(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)

        def norm(h: Any, name: str, c: int, scale: bool = True) -> Any:
            gamma = w(f"{name}/gamma", c) if scale else None
            beta, mean, var = (w(f"{name}/{p}", c) for p in ("beta", "mean", "var"))
            return tf.nn.batch_normalization(h, mean, var, beta, gamma, 1e-3)

        x = tf1.placeholder(tf.float32, [None, 9, 9, 2], name="x")
        h = norm(tf.nn.conv2d(x, w("c1/w", 3, 3, 2, 6), 1, "SAME"), "n1", 6)
        h = tf.nn.leaky_relu(h, 0.1)
        a = norm(tf.nn.conv2d(h, w("c2/w", 3, 3, 6, 4), 1, "SAME"), "n2", 4, scale=False)
        b = tf.maximum(a, 0.3 * a)
        h = tf.concat([h, b], 3)
        h = tf.pad(h, [[0, 0], [1, 2], [2, 1], [0, 0]])
        h = tf.nn.conv2d(h, w("c3/w", 3, 3, 10, 8), 2, "VALID")
        alpha = w("p/alpha", 8)
        h = tf.nn.relu(h) + alpha * (h - tf.abs(h)) * 0.5
        shape = tf.shape(h)
        h = tf.reshape(h, [shape[0], 5 * 5 * 8])
        h = norm(tf.matmul(h, w("f1/w", 200, 6)), "n3", 6)
        h = tf.nn.relu(h) - w("p2/alpha", 6) * tf.nn.relu(-h)
        return tf.matmul(h, w("f2/w", 6, 3), name="out")

    return build


def decoder(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)
        x = tf1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
        h = tf.nn.relu(tf.nn.conv2d(x, w("c1/w", 3, 3, 3, 6), 2, "SAME") + w("c1/b", 6))
        h = tf.nn.relu(tf.nn.conv2d(h, w("c2/w", 3, 3, 6, 8), 1, "SAME", dilations=2))
        size = tf.stack([tf.shape(h)[0], 8, 8, 6])
        u = tf1.nn.conv2d_transpose(h, w("t/w", 3, 3, 6, 8), size, [1, 2, 2, 1], "SAME")
        u = tf.nn.relu(tf.nn.bias_add(u, w("t/b", 6)))
        r = tf1.image.resize_nearest_neighbor(h, [8, 8])
        b = tf1.image.resize_bilinear(h, [8, 8], align_corners=True)
        c = tf1.image.resize_bilinear(h, [8, 8], half_pixel_centers=True)
        h = tf.concat([u, r, b, c], -1)
        h = tf.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
        h = tf.nn.conv2d(h, w("c3/w", 3, 3, 30, 4), 1, "VALID") + w("c3/b", 4)
        return tf.nn.sigmoid(tf.nn.depth_to_space(h, 2), name="out")

    return build


def moving(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)
        x = tf1.placeholder(tf.float32, [None, 16, 4], name="x")
        h = tf.nn.relu(tf.nn.conv1d(x, w("c1/w", 3, 4, 8), 1, "SAME") + w("c1/b", 8))
        a, b = tf.split(h, 2, axis=2)
        h = tf.concat([tf.nn.relu(b), tf.nn.tanh(a)], 2)
        t = tf.transpose(h, [0, 2, 1])
        t = tf.transpose(t, [0, 2, 1])
        h = h + t
        d = tf.tensordot(h, w("d/w", 8, 6), [[2], [0]]) + w("d/b", 6)
        d = tf.nn.softplus(d[:, 2:14:2, :])
        g = tf.reduce_max(d, 1)
        g = tf.squeeze(tf.expand_dims(g, 1), 1)
        return tf.identity(tf.matmul(g, w("f/w", 6, 3)), name="out")

    return build


def towers(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        def tower(x: Any, w: Weights) -> Any:
            h = tf.nn.relu(tf.nn.conv2d(x, w("c1/w", 3, 3, 1, 6), 1, "SAME") + w("c1/b", 6))
            h = tf.nn.max_pool2d(h, 2, 2, "VALID")
            h = tf.nn.relu(tf.nn.conv2d(h, w("c2/w", 3, 3, 6, 8), 1, "SAME") + w("c2/b", 8))
            return tf.reduce_mean(h, [1, 2])

        left = tf1.placeholder(tf.float32, [None, 8, 8, 1], name="left")
        right = tf1.placeholder(tf.float32, [None, 8, 8, 1], name="right")
        w = Weights(tf1, resource)
        with tf1.variable_scope("net", reuse=tf1.AUTO_REUSE):
            a, b = tower(left, w), tower(right, w)
        h = tf1.squared_difference(a, b)
        return tf.matmul(h, w("f/w", 8, 2), name="out")

    return build


def dropout(resource: bool) -> Build:
    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)
        x = tf1.placeholder(tf.float32, [None, 6, 6, 1], name="x")
        keep = tf1.placeholder(tf.float32, name="keep_prob")
        training = tf1.placeholder(tf.bool, [], name="is_training")
        h = tf.nn.conv2d(x, w("c1/w", 3, 3, 1, 6), 1, "SAME")
        parts = [w(f"n/{p}", 6) for p in ("gamma", "beta", "mean", "var")]

        def statistics() -> Any:
            return tf.nn.moments(h, [0, 1, 2])

        mean, var = tf1.cond(training, statistics, lambda: (parts[2], parts[3]))
        h = tf.nn.relu(tf.nn.batch_normalization(h, mean, var, parts[1], parts[0], 1e-3))
        h = tf.reshape(h, [-1, 216])
        h = tf.nn.relu(tf.matmul(h, w("f1/w", 216, 8)) + w("f1/b", 8))
        h = tf1.nn.dropout(h, keep_prob=keep)
        h = tf1.cond(training, lambda: tf.nn.dropout(h, rate=0.5), lambda: tf.identity(h))
        return tf.matmul(h, w("f2/w", 8, 3), name="out")

    return build


def keras_style(resource: bool) -> Build:
    """As Keras writes its layers: parameters reshaped, GELU, swish with a custom gradient."""

    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)

        def row(name: str, c: int) -> Any:
            return tf.reshape(w(name, c), [1, 1, 1, c])

        def norm(h: Any, name: str, c: int) -> Any:
            names = ("gamma", "beta", "mean", "var")
            gamma, beta, mean, var = (row(f"{name}/{p}", c) for p in names)
            return tf.nn.batch_normalization(h, mean, var, beta, gamma, 1e-3)

        x = tf1.placeholder(tf.float32, [None, 8, 8, 2], name="x")
        h = tf.nn.conv2d(x, w("c1/w", 3, 3, 2, 6), 1, "SAME")
        h = tf.nn.silu(norm(tf.nn.bias_add(h, tf.squeeze(row("c1/b", 6))), "n1", 6))
        h = tf.nn.conv2d(h, w("c2/w", 1, 1, 6, 8), 1, "SAME") + row("c2/b", 8)
        h = tf.nn.gelu(norm(h, "n2", 8))
        h = tf.nn.conv2d(h, w("c3/w", 3, 3, 2, 12), 1, "SAME")  # four groups
        h = tf.reduce_mean(tf.nn.relu(h), [1, 2])
        return tf.matmul(h, w("f/w", 12, 3), name="out")

    return build


def odds(resource: bool) -> Build:
    """What is left: windows by batch and space, channel shuffle, cuts, joins."""

    def build(tf: Any, tf1: Any) -> Any:
        w = Weights(tf1, resource)
        x = tf1.placeholder(tf.float32, [None, 8, 8, 2], name="x")
        h = tf.clip_by_value(tf.nn.conv2d(x, w("c1/w", 3, 3, 2, 8), 1, "SAME"), -0.5, 2.0)
        h = tf.space_to_batch_nd(h, [2, 2], [[2, 2], [2, 2]])
        h = tf.nn.conv2d(h, w("c2/w", 3, 3, 8, 8), 1, "VALID")
        h = tf.batch_to_space(h, [2, 2], [[0, 0], [0, 0]])
        h = tf.nn.selu(h + w("c2/b", 8))
        shuffled = tf.reshape(h, [-1, 8, 8, 2, 4])
        h = tf.reshape(tf.transpose(shuffled, [0, 1, 2, 4, 3]), [-1, 8, 8, 8])
        h = tf.nn.conv2d(h, w("c3/w", 3, 3, 8, 6), [1, 2, 1, 1], [[0, 0], [1, 1], [2, 0], [0, 0]])
        h = tf.add_n([h, tf.square(h), tf1.sqrt(tf.abs(h) + 0.1)])
        left, right = tf.slice(h, [0, 0, 0, 0], [-1, -1, 4, -1]), h[:, :, 4:, :]
        h = tf.concat([left * 0.5, right / 3.0], 2)
        h = tf.nn.space_to_depth(h, 2)
        h = tf.nn.conv2d(h, w("c4/w", 1, 1, 24, 6), 1, "SAME") - w("c4/b", 6)
        h = tf.nn.softsign(tf.nn.max_pool2d(h, 2, 2, "SAME"))
        top = h[:, 0, 0, :]
        h = tf.concat([top, tf.reduce_sum(h, [1, 2])], -1)
        h = tf.nn.relu(tf.matmul(h, w("f1/w", 12, 8)))
        return tf.nn.log_softmax(tf.matmul(h, w("f2/w", 8, 3)), name="out")

    return build


NETWORKS = {
    "odds": odds,
    "keras_style": keras_style,
    "lenet": lenet,
    "fused": fused,
    "decomposed": decomposed,
    "decoder": decoder,
    "moving": moving,
    "towers": towers,
}
