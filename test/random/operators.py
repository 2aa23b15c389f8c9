"""What random graphs are made of: one emitter an operator family, or a pattern that passes look for.

An emitter appends nodes to the graph, or does nothing when the pool has no fitting value.
"""

import numpy as np
from graphs import ROWS, Graph, Value

SMOOTH = ["Abs", "Neg", "Sigmoid", "Tanh", "Erf", "Relu", "Softplus", "Softsign", "Sin", "Cos", "Atan", "Identity", "Mish"]
STEPS = ["Floor", "Ceil", "Round", "Sign"]


def unary(g: Graph) -> None:
    x = g.any()
    g.put(g.node(g.pick(SMOOTH), x.name), x.shape)


def unary_with_attribute(g: Graph) -> None:
    x = g.any()
    op, attributes = g.pick(
        [
            ("Elu", dict(alpha=0.7)),
            ("LeakyRelu", dict(alpha=0.1)),
            ("HardSigmoid", dict(alpha=0.3, beta=0.4)),
            ("HardSwish", {}),
            ("Selu", {}),
            ("Celu", dict(alpha=1.5)),
            ("Gelu", dict(approximate="none")),
            ("Gelu", dict(approximate="tanh")),
        ]
    )
    g.put(g.node(op, x.name, **attributes), x.shape)


def positive_unary(g: Graph) -> None:
    x = g.any()
    positive = g.node("Add", g.node("Abs", x.name), g.scalar(0.5))
    g.put(g.node(g.pick(["Sqrt", "Log", "Reciprocal"]), positive), x.shape)


def bounded_exp(g: Graph) -> None:
    x = g.any()
    g.put(g.node("Exp", g.node("Tanh", x.name)), x.shape)


def step(g: Graph) -> None:
    x = g.any(exact=True)
    if x:
        g.put(g.node(g.pick(STEPS), x.name), x.shape)


def clip(g: Graph) -> None:
    x = g.any()
    g.put(g.node("Clip", x.name, g.scalar(-0.73), g.scalar(0.81)), x.shape)


def broadcast_partner(g: Graph, x: Value) -> tuple[str, tuple]:
    """A value or constant that broadcasts with x, and the shape of both together."""
    others = [v for v in g.pool if v.shape == x.shape]
    if g.chance(0.5) and others:
        return g.pick(others).name, x.shape
    shape = [s if g.chance(0.6) else 1 for s in x.shape]
    if g.dynamic:
        shape[0] = 1
    shape = shape[int(g.rng.integers(0, len(shape) + 1)) :] if g.chance(0.5) else shape
    return g.weights(*shape, scale=1.0), x.shape


def binary(g: Graph) -> None:
    x = g.any()
    other, shape = broadcast_partner(g, x)
    pair = [x.name, other] if g.chance(0.5) else [other, x.name]
    g.put(g.node(g.pick(["Add", "Sub", "Mul", "Max", "Min"]), *pair), shape)


def divide(g: Graph) -> None:
    x = g.any()
    other, shape = broadcast_partner(g, x)
    safe = g.node("Add", g.node("Abs", other), g.scalar(0.5))
    g.put(g.node("Div", x.name, safe), shape)


def power(g: Graph) -> None:
    x = g.any()
    g.put(g.node("Pow", g.node("Tanh", x.name), g.scalar(g.pick([2.0, 3.0]))), x.shape)


def where(g: Graph) -> None:
    x = g.any(exact=True)
    if not x:
        return
    condition = g.node(g.pick(["Greater", "Less", "GreaterOrEqual"]), x.name, g.scalar(0.2))
    if g.chance(0.3):
        condition = g.node("Not", condition)
    others = [v for v in g.pool if v.shape == x.shape]
    on_false = g.pick(others).name if g.chance(0.5) else g.scalar(-1.5)
    g.put(g.node("Where", condition, g.pick(others).name, on_false), x.shape)


def cast(g: Graph) -> None:
    x = g.any(exact=True)
    if x:
        g.put(g.node("Cast", g.node("Cast", x.name, to=g.pick([6, 7, 9, 11])), to=1), x.shape)


def reduce(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is None:
        return
    axes = sorted({axis, g.axis(x)})
    keep = int(g.chance(0.6))
    op = g.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"])
    shape = [1 if i in axes else s for i, s in enumerate(x.shape) if keep or i not in axes]
    g.put(g.node(op, x.name, g.constant(np.array(axes, np.int64)), keepdims=keep), shape)


def arg_max(g: Graph) -> None:
    x = g.any(exact=True)
    axis = g.axis(x) if x else None
    if axis is None:
        return
    index = g.node(g.pick(["ArgMax", "ArgMin"]), x.name, axis=axis, keepdims=1)
    g.put(g.node("Cast", index, to=1), [1 if i == axis else s for i, s in enumerate(x.shape)])


def softmax(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is not None:
        g.put(g.node(g.pick(["Softmax", "LogSoftmax"]), x.name, axis=axis), x.shape)


def cumulative_sum(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is not None:
        options = dict(exclusive=int(g.chance(0.3)), reverse=int(g.chance(0.3)))
        g.put(g.node("CumSum", x.name, g.constant(np.int64(axis)), **options), x.shape)


def layer_norm(g: Graph) -> None:
    x = g.any(low=2)
    if x and x.shape[-1] > 1:
        arguments = [x.name, g.weights(x.shape[-1], scale=1.0)]
        if g.chance(0.7):
            arguments.append(g.weights(x.shape[-1], scale=1.0))
        g.put(g.node("LayerNormalization", *arguments, axis=-1, epsilon=1e-2), x.shape)


def norm_pieces(g: Graph) -> None:
    """Layer or root-mean-square norm as exporters decompose it."""
    x = g.any(low=2)
    if not x or x.shape[-1] < 2:
        return
    axes = g.constant(np.array([-1], np.int64))
    centred = x.name
    if g.chance(0.5):
        centred = g.node("Sub", x.name, g.node("ReduceMean", x.name, axes))
    square = g.node("Pow", centred, g.scalar(2.0)) if g.chance(0.5) else g.node("Mul", centred, centred)
    root = g.node("Sqrt", g.node("Add", g.node("ReduceMean", square, axes), g.scalar(0.01)))
    normal = g.node("Div", centred, root)
    if g.chance(0.7):
        normal = g.node("Mul", normal, g.weights(x.shape[-1], scale=1.0))
    if g.chance(0.5):
        normal = g.node("Add", normal, g.weights(x.shape[-1], scale=1.0))
    g.put(normal, x.shape)


def gelu_pieces(g: Graph) -> None:
    x = g.any()
    if g.chance(0.5):
        inner = g.node("Erf", g.node("Div", x.name, g.scalar(np.sqrt(2))))
    else:
        cube = g.node("Mul", g.scalar(0.044715), g.node("Pow", x.name, g.scalar(3.0)))
        inner = g.node("Tanh", g.node("Mul", g.node("Add", x.name, cube), g.scalar(np.sqrt(2 / np.pi))))
    gate = g.node("Add", inner, g.scalar(1.0))
    if g.chance(0.5):
        g.put(g.node("Mul", g.node("Mul", x.name, gate), g.scalar(0.5)), x.shape)
    else:
        g.put(g.node("Mul", g.node("Mul", x.name, g.scalar(0.5)), gate), x.shape)


def silu_pieces(g: Graph) -> None:
    x = g.any()
    gate = g.node("Sigmoid", g.node("Mul", x.name, g.scalar(1.702)) if g.chance(0.5) else x.name)
    g.put(g.node("Mul", x.name, gate), x.shape)


def linear(g: Graph) -> None:
    """Product with a constant; bias, activation and residual may follow."""
    x = g.any(low=2)
    if not x:
        return
    width = x.shape[-1] if g.chance(0.4) else g.size()
    y = g.node("MatMul", x.name, g.weights(x.shape[-1], width))
    if g.chance(0.7):
        bias = g.weights(width, scale=1.0)
        y = g.node("Add", *([y, bias] if g.chance(0.5) else [bias, y]))
    if g.chance(0.4):
        y = g.node(g.pick(["Relu", "Tanh", "Sigmoid"]), y)
    if width == x.shape[-1] and g.chance(0.6):
        y = g.node("Add", y, x.name)
    g.put(y, [*x.shape[:-1], width])


def gemm(g: Graph) -> None:
    x = g.any(low=2, high=2)
    if not x:
        return
    width, flip = g.size(), int(g.chance(0.5))
    shape = [width, x.shape[1]] if flip else [x.shape[1], width]
    bias = [g.weights(*g.pick([[width], [1, width], [1]]), scale=1.0)] if g.chance(0.7) else []
    options = dict(transB=flip, alpha=g.pick([1.0, 0.5]), beta=g.pick([1.0, 2.0]))
    g.put(g.node("Gemm", x.name, g.weights(*shape), *bias, **options), [x.shape[0], width])


def matmul(g: Graph) -> None:
    """Of two values: x with its own transpose."""
    x = g.any(low=3)
    if not x:
        return
    rank = len(x.shape)
    order = [*range(rank - 2), rank - 1, rank - 2]
    scaled = g.node("Mul", x.name, g.scalar(1 / x.shape[-1]))
    g.put(g.node("MatMul", scaled, g.node("Transpose", x.name, perm=order)), [*x.shape[:-1], x.shape[-2]])


def attention(g: Graph) -> None:
    """From its pieces, in the orders that exporters write."""
    x = g.any(low=3, high=3)
    if not x:
        return
    batch, tokens, width = x.shape
    heads, kv_heads, dim = g.pick([(1, 1, 4), (2, 2, 8), (4, 4, 3), (4, 2, 8)])

    def split(count: int, order: list[int]) -> str:
        projected = g.node("MatMul", x.name, g.weights(width, count * dim))
        target = g.constant(np.array([0 if g.dynamic else batch, tokens, count, dim], np.int64))
        return g.node("Transpose", g.node("Reshape", projected, target), perm=order)

    q, k, v = split(heads, [0, 2, 1, 3]), split(kv_heads, [0, 2, 3, 1]), split(kv_heads, [0, 2, 1, 3])
    if kv_heads != heads:
        index = g.constant(np.repeat(np.arange(kv_heads), heads // kv_heads).astype(np.int64))
        k, v = g.node("Gather", k, index, axis=1), g.node("Gather", v, index, axis=1)
    scores = g.node("MatMul", q, k)
    scores = g.node("Div", scores, g.scalar(np.sqrt(dim))) if g.chance(0.5) else g.node("Mul", scores, g.scalar(dim**-0.5))
    if g.chance(0.5):
        mask = np.tril(np.ones((tokens, tokens), bool))
        if g.chance(0.5):
            scores = g.node("Add", scores, g.constant(np.where(mask, 0, -1e4).astype(np.float32)))
        else:
            scores = g.node("Where", g.constant(mask), scores, g.scalar(-1e4))
    mixed = g.node("MatMul", g.node("Softmax", scores, axis=-1), v)
    target = g.constant(np.array([0, tokens, heads * dim], np.int64))
    g.put(g.node("Reshape", g.node("Transpose", mixed, perm=[0, 2, 1, 3]), target), [batch, tokens, heads * dim])


def convolution(g: Graph) -> None:
    x = g.any(low=3, high=4)
    if not x:
        return
    channels, space = x.shape[1], x.shape[2:]
    groups = g.pick([1, channels]) if channels > 1 else 1
    out = groups * int(g.rng.integers(1, 4)) if groups > 1 else g.size()
    kernel = [int(g.rng.integers(1, min(4, s) + 1)) for s in space]
    strides = [int(g.rng.integers(1, 3)) for _ in space]
    pads = [int(g.rng.integers(0, k)) for k in kernel]
    shape = [(s + 2 * p - k) // t + 1 for s, p, k, t in zip(space, pads, kernel, strides)]
    if g.chance(0.3):
        y = g.node(
            g.pick(["MaxPool", "AveragePool"]), x.name, kernel_shape=kernel, strides=strides, pads=[p // 2 for p in pads * 2]
        )
        shape = [(s + 2 * (p // 2) - k) // t + 1 for s, p, k, t in zip(space, pads, kernel, strides)]
        g.put(y, [x.shape[0], channels, *shape])
        return
    bias = [g.weights(out, scale=1.0)] if g.chance(0.5) else []
    fan_in = np.sqrt(channels // groups * np.prod(kernel))
    weight = g.weights(out, channels // groups, *kernel, scale=1 / fan_in)
    y = g.node("Conv", x.name, weight, *bias, strides=strides, pads=pads * 2, group=groups, kernel_shape=kernel)
    if g.chance(0.3):
        spread = g.constant(g.rng.uniform(0.5, 2, out).astype(np.float32))
        y = g.node("BatchNormalization", y, *(g.weights(out, scale=1.0) for _ in range(3)), spread)
    if g.chance(0.4):
        y = g.node("Relu", y)
    g.put(y, [x.shape[0], out, *shape])


def transpose(g: Graph) -> None:
    x = g.any(low=2)
    if not x:
        return
    order = [*g.rng.permutation(len(x.shape))] if not g.dynamic else [0, *(1 + g.rng.permutation(len(x.shape) - 1))]
    order = [int(i) for i in order]
    g.put(g.node("Transpose", x.name, perm=order), [x.shape[i] for i in order], x.exact)


def reshape(g: Graph) -> None:
    x = g.any(low=2)
    if not x:
        return
    first = 1 if g.dynamic else 0
    shape = [*x.shape]
    if len(shape) - first >= 2 and g.chance(0.5):
        at = int(g.rng.integers(first, len(shape) - 1))
        shape[at : at + 2] = [shape[at] * shape[at + 1]]
    else:
        at = int(g.rng.integers(first, len(shape)))
        factor = g.pick([f for f in range(1, shape[at] + 1) if shape[at] % f == 0])
        shape[at : at + 1] = [factor, shape[at] // factor]
    if len(shape) <= 5:
        target = [0, *shape[1:]] if g.dynamic else shape
        g.put(g.node("Reshape", x.name, g.constant(np.array(target, np.int64))), shape, x.exact)


def cut(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is None:
        return
    size = x.shape[axis]
    start = int(g.rng.integers(0, size))
    stop = int(g.rng.integers(start + 1, size + 1))
    step = g.pick([1, 1, 1, 2, -1])
    indices = range(size)[start:stop:step] if step > 0 else range(size)[stop - 1 : (start - 1 if start else None) : step]
    if step < 0:
        start, stop = stop - 1, (start - 1 if start else -(2**31))
    arrays = [g.constant(np.array([v], np.int64)) for v in (start, stop, axis, step)]
    g.put(g.node("Slice", x.name, *arrays), [len(indices) if i == axis else s for i, s in enumerate(x.shape)], x.exact)


def split(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is None or x.shape[axis] < 2:
        return
    at = int(g.rng.integers(1, x.shape[axis]))
    sizes = [at, x.shape[axis] - at]
    names = g.node("Split", x.name, g.constant(np.array(sizes, np.int64)), count=2, axis=axis)
    for name, size in zip(names, sizes):
        g.put(name, [size if i == axis else s for i, s in enumerate(x.shape)], x.exact)


def join(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is None:
        return
    others = [v for v in g.pool if v.shape == x.shape]
    parts = [g.pick(others) for _ in range(int(g.rng.integers(2, 4)))]
    shape = [s * len(parts) if i == axis else s for i, s in enumerate(x.shape)]
    g.put(g.node("Concat", *(p.name for p in parts), axis=axis), shape, all(p.exact for p in parts))


def pad(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is None:
        return
    before, after = (int(v) for v in g.rng.integers(0, 3, 2))
    mode = g.pick(["constant", "edge", "reflect"])
    if mode == "reflect" and max(before, after) >= x.shape[axis]:
        mode = "edge"
    rank = len(x.shape)
    amounts = [0] * (2 * rank)
    amounts[axis], amounts[rank + axis] = before, after
    extra = [g.scalar(0.3)] if mode == "constant" and g.chance(0.5) else []
    name = g.node("Pad", x.name, g.constant(np.array(amounts, np.int64)), *extra, mode=mode)
    g.put(name, [s + before + after if i == axis else s for i, s in enumerate(x.shape)], x.exact)


def gather(g: Graph) -> None:
    x = g.any()
    axis = g.axis(x)
    if axis is None:
        return
    shape = g.pick([[], [3], [2, 2]])
    indices = g.rng.integers(-x.shape[axis], x.shape[axis], shape)
    result = [*x.shape[:axis], *shape, *x.shape[axis + 1 :]]
    if len(result) <= 5:
        g.put(g.node("Gather", x.name, g.constant(np.asarray(indices, np.int64)), axis=axis), result, x.exact)


def expand(g: Graph) -> None:
    x = g.any()
    ones = [i for i, s in enumerate(x.shape) if s == 1]
    if ones:
        axis = g.pick(ones)
        target = [3 if i == axis else 1 for i in range(len(x.shape))]
        name = g.node("Expand", x.name, g.constant(np.array(target, np.int64)))
        g.put(name, [3 if i == axis else s for i, s in enumerate(x.shape)], x.exact)


def unsqueeze(g: Graph) -> None:
    x = g.any(high=4)
    axis = int(g.rng.integers(1, len(x.shape) + 1))
    name = g.node("Unsqueeze", x.name, g.constant(np.array([axis], np.int64)))
    g.put(name, [*x.shape[:axis], 1, *x.shape[axis:]], x.exact)


def shape_arithmetic(g: Graph) -> None:
    """Flatten as exporters spell it: Shape, Gather, Concat, Reshape."""
    x = g.any(low=2)
    if not x:
        return
    first = g.node("Gather", g.node("Shape", x.name), g.constant(np.array([0], np.int64)), axis=0)
    target = g.node("Concat", first, g.constant(np.array([-1], np.int64)), axis=0)
    g.put(g.node("Reshape", x.name, target), [x.shape[0], int(np.prod(x.shape[1:]))], x.exact)


EMITTERS = [
    *(unary, unary_with_attribute, positive_unary, bounded_exp, step, clip, binary, binary, divide, power, where, cast),
    *(reduce, reduce, arg_max, softmax, cumulative_sum, layer_norm, norm_pieces, gelu_pieces, silu_pieces),
    *(linear, linear, gemm, matmul, attention, attention, convolution, convolution, transpose, transpose, reshape, reshape),
    *(cut, split, join, pad, gather, expand, unsqueeze, shape_arithmetic),
]
assert ROWS > 1
