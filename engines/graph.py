"""The whole generator as one network for a GPU: warp, drawn layers, crops, refiner, paste-back. Needs `onnx`.

Inputs, float32 unless said (H = W = size; px have their centres at integers):

- person (1, 4, H, W) premultiplied RGBA 0..1, background (1, 3, H, W) RGB 0..1, mouth_own (1, 3, 96, 128),
  eyes_own (2, 3, 64, 64), face_own (1, 3, 64, 64) RGB 0..1: the portrait, given once;
- grid (1, H, W, 2): where each pixel of the person comes from, x y, -1..1 between the centres of the first and last px;
- light (1, 1, 128, 128): by how much (0.1: a tenth) the person's skin gets brighter, and light_place (2, 2): what the
  grid is multiplied by, x y, and what is added then, to find the place in it, -1..1; beyond it nothing changes;
- overlay (1, H, W, 4) uint8 RGBA, straight alpha: eyes and mouth as the CPU drew them, 0 elsewhere;
- matrices (4, 2, 3): crop px to picture px of mouth, left eye, right eye, face; inverses (4, 2, 3): the other way;
- mouth_guide (1, G, 96, 128), eyes_guide (2, G, 64, 64), face_guide (1, G, 64, 64): the drawn guides, -1..1;
- mouth_feather (1, 1, 96, 128), eyes_feather (2, 1, 64, 64), face_feather (1, 1, 64, 64): weight 0..1 of the residual;
  where mouth and eyes have weight, the face's gives way.

Output: image (1, H, W, 4) uint8: RGB, and the person's coverage. GridSample is always float32: a float16 grid resolves
a quarter px at 1024.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from .engine import Array

OPSET = 20
SIZES = (512, 1024)
# Crop -> (height, width, samples per crop px along each axis, 512 px picture): a crop px covers that much of the
# picture, so that many samples are averaged or fine texture would alias.
CROPS = {"mouth": (96, 128, 1), "eyes": (64, 64, 1), "face": (64, 64, 4)}
# Points of the light along each side; how much faster dark channels lose, and from where on bright ones gain less.
LIGHT = 128
_DEEPENS, _BRIGHT = 0.45, 127 / 255
_AFFINE_ROWS = {"mouth": (0, 1), "eyes": (1, 3), "face": (3, 4)}


class _Graph:
    """Nodes and constants in the making; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind}_{name}", **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def cut(self, x: str, start: int, end: int, axis: int) -> str:
        return self.node("Slice", x, self.ints(start), self.ints(end), self.ints(axis))

    def sample(self, x: str, grid: str, mode: str = "linear", padding: str = "border") -> str:
        return self.node("GridSample", x, grid, align_corners=1, mode=mode, padding_mode=padding)

    def place(self, matrices: str, rows: tuple[int, int], pixels: tuple[Array, Array], size: tuple[int, int]) -> str:
        """Return the grid (N, h, w, 2) of -1..1 in a picture of `size` (w, h) px: where the given rows of affine
        matrices send the px with coordinates x (w,) and y (h,)."""
        chosen = self.cut(matrices, *rows, 0)
        x, y, shift = (self.node("Reshape", self.cut(chosen, i, i + 1, 2), self.ints(rows[1] - rows[0], 1, 1, 2))
                       for i in range(3))
        x = self.node("Mul", x, self.constant(pixels[0].reshape(1, 1, -1, 1)))
        y = self.node("Mul", y, self.constant(pixels[1].reshape(1, -1, 1, 1)))
        moved = self.node("Add", self.node("Add", x, shift), y)
        scale = self.constant([2 / (size[0] - 1), 2 / (size[1] - 1)])
        return self.node("Sub", self.node("Mul", moved, scale), self.constant(1.0))


def _centres(count: int, samples: int = 1) -> Array:
    """Return (count * samples,) coordinates: each px split into samples."""
    offset = (np.arange(samples) + 0.5) / samples - 0.5
    return (np.arange(count)[:, None] + offset).ravel().astype(np.float32)


def _warp(g: _Graph, size: int) -> tuple[str, str]:
    """Person through the grid over the background, folds softened, skin lit, then the drawn layers: (1, 3, H, W), 0..1,
    and the person's coverage (1, 1, H, W)."""
    # Cubic keeps fine texture sharp; as on the CPU, a large picture has pixels to spare.
    person = g.sample("person", "grid", "cubic" if size <= 720 else "linear")
    # Cubic goes beyond full coverage at an edge: the colours come back with it, or the outline would sparkle.
    person = g.node("Div", person, g.node("Max", g.cut(person, 3, 4, 1), g.constant(1.0)))
    person = g.node("Clip", person, g.constant(0.0), g.constant(1.0))
    person = _light(g, _soften_folds(g, person, size))
    alpha = g.cut(person, 3, 4, 1)
    rest = g.node("Sub", g.constant(1.0), alpha)
    image = g.node("Add", g.cut(person, 0, 3, 1), g.node("Mul", "background", rest))
    drawn = g.node("Transpose", g.node("Cast", "overlay", to=1), perm=[0, 3, 1, 2])
    drawn = g.node("Mul", drawn, g.constant(1 / 255))
    share = g.cut(drawn, 3, 4, 1)
    change = g.node("Sub", g.cut(drawn, 0, 3, 1), image)
    return g.node("Add", image, g.node("Mul", share, change)), alpha


def _soften_folds(g: _Graph, person: str, size: int) -> str:
    """Average the person where the map jumps by more than 3 px: there one surface hides another behind a hard edge."""
    px = g.node("Mul", "grid", g.constant((size - 1) / 2))

    def jump(axis: int) -> str:
        step = g.node("Sub", g.cut(px, 1, size, axis), g.cut(px, 0, size - 1, axis))
        ahead = g.constant([1.0, 0.0] if axis == 2 else [0.0, 1.0])
        total = g.node("ReduceSum", g.node("Abs", g.node("Sub", step, ahead)), g.ints(3), keepdims=0)
        mark = g.node("Cast", g.node("Greater", total, g.constant(3.0)), to=1)
        padding = [0, 0, 0, 0, 0, 1] if axis == 2 else [0, 0, 0, 0, 1, 0]
        return g.node("Pad", mark, g.ints(*padding))

    fold = g.node("Unsqueeze", g.node("Max", jump(2), jump(1)), g.ints(1))
    # Shifts, no convolutions: TensorRT-RTX makes 60 MB of a 3 x 3 filter over a 1024 px picture for sm75.
    shift = partial(_shifted, g, size=size)
    # The pixel before the jump and the ones right of it and below it, as on the CPU.
    near = g.node("Max", fold, shift(fold, 0, -1), shift(fold, -1, 0))
    around = g.node("Sum", *(shift(person, dy, dx) for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0))))
    mean = g.node("Div", g.node("Add", around, g.node("Add", person, person)), g.constant(6.0))
    return g.node("Add", person, g.node("Mul", near, g.node("Sub", mean, person)))


def _light(g: _Graph, person: str) -> str:
    """Make the skin brighter or darker, as `shade` of didlive.generate.raster does on the CPU."""
    scale, shift = (g.node("Reshape", g.cut("light_place", i, i + 1, 0), g.ints(1, 1, 1, 2)) for i in (0, 1))
    more = g.sample("light", g.node("Add", g.node("Mul", "grid", scale), shift), padding="zeros")
    colour, alpha, one = g.cut(person, 0, 3, 1), g.cut(person, 3, 4, 1), g.constant(1.0)
    most = g.node("ReduceMax", colour, g.ints(1), keepdims=1)
    room = g.node("Min", one, g.node("Mul", g.node("Sub", one, most), g.constant(1 / (1 - _BRIGHT))))
    more = g.node("Min", more, g.node("Mul", more, room))
    share = g.node("Div", colour, g.node("Max", most, g.constant(1 / 255)))
    own = g.node("Add", one, g.node("Mul", g.constant(_DEEPENS), g.node("Sub", one, share)))
    lit = g.node("Mul", colour, g.node("Add", one, g.node("Mul", more, own)))
    return g.node("Concat", g.node("Max", g.node("Min", lit, alpha), g.constant(0.0)), alpha, axis=1)


def _shifted(g: _Graph, x: str, dy: int, dx: int, size: int) -> str:
    """Return the picture whose px (y, x) is px (y + dy, x + dx) of `x`, 0 outside; one of dy, dx is 0, the other 1."""
    axis, step = (2, dy) if dy else (3, dx)
    before, after = [0] * 4, [0] * 4
    (after if step > 0 else before)[axis] = 1
    padded = g.node("Pad", x, g.ints(*before, *after))
    return g.cut(padded, 1, size + 1, axis) if step > 0 else g.cut(padded, 0, size, axis)


def _crop(g: _Graph, image: str, name: str, size: int) -> str:
    """Cut the canonical crop out of the picture, -1..1, and stack the portrait's own crop and the guide on it."""
    height, width, samples = CROPS[name]
    samples = max(1, samples * size // 512)
    low, high = _AFFINE_ROWS[name]
    count = high - low
    pixels = _centres(width, samples), _centres(height, samples)
    grid = g.place("matrices", (low, high), pixels, (size, size))
    picture = image if count == 1 else g.node("Expand", image, g.ints(count, 3, size, size))
    crop = g.sample(picture, grid)
    if samples > 1:
        crop = g.node("AveragePool", crop, kernel_shape=[samples, samples], strides=[samples, samples])
    both = g.node("Concat", crop, f"{name}_own", axis=1)
    both = g.node("Sub", g.node("Mul", both, g.constant(2.0)), g.constant(1.0))
    return g.node("Concat", both, f"{name}_guide", axis=1)


def _residual(g: _Graph, name: str, total: str, size: int) -> str:
    """Lay a crop's residual over the total of the ones before it, as far as its feather says: (1, 3, H, W)."""
    height, width, _ = CROPS[name]
    drawn = g.node("Mul", f"refiner/{name}_out", f"{name}_feather")
    layer = g.node("Concat", drawn, f"{name}_feather", axis=1)
    low, high = _AFFINE_ROWS[name]
    pixels = _centres(size), _centres(size)
    for row in range(low, high):
        part = layer if high - low == 1 else g.cut(layer, row - low, row - low + 1, 0)
        placed = g.sample(part, g.place("inverses", (row, row + 1), pixels, (width, height)), padding="zeros")
        colour = g.cut(placed, 0, 3, 1)
        if total:
            rest = g.node("Sub", g.constant(1.0), g.cut(placed, 3, 4, 1))
            colour = g.node("Add", colour, g.node("Mul", total, rest))
        total = colour
    return total


def inputs(refiner: Mapping[str, tuple[int, ...]], size: int) -> dict[str, tuple[int, ...]]:
    """Return the inputs of the generator: name -> shape; all float32 but overlay, which is uint8. `refiner`: the
    inputs of the refiner."""
    shapes: dict[str, tuple[int, ...]] = {
        "person": (1, 4, size, size), "background": (1, 3, size, size), "grid": (1, size, size, 2),
        "light": (1, 1, LIGHT, LIGHT), "light_place": (2, 2), "overlay": (1, size, size, 4),
        "matrices": (4, 2, 3), "inverses": (4, 2, 3),
    }  # fmt: skip
    for name, (height, width, _) in CROPS.items():
        count, channels = refiner[name][:2]
        shapes[f"{name}_own"] = (count, 3, height, width)
        shapes[f"{name}_guide"] = (count, channels - 6, height, width)
        shapes[f"{name}_feather"] = (count, 1, height, width)
    return shapes


def generator(refiner: bytes, size: int) -> bytes:
    """Return the generator for pictures of size x size px around an ONNX refiner (float32 or float16 inside)."""
    import onnx
    from onnx import TensorProto, helper

    inner = onnx.load_from_string(refiner)
    if next(o.version for o in inner.opset_import if not o.domain) != OPSET:
        inner = onnx.version_converter.convert_version(inner, OPSET)
    inner = onnx.compose.add_prefix(inner, "refiner/")
    shapes = {v.name.removeprefix("refiner/"): tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
              for v in inner.graph.input}
    g = _Graph()
    image, alpha = _warp(g, size)
    for name in CROPS:
        g.node("Identity", _crop(g, image, name, size), output=f"refiner/{name}")
    g.nodes.extend(inner.graph.node)
    total = ""
    for name in ("face", "mouth", "eyes"):
        total = _residual(g, name, total, size)
    image = g.node("Add", image, total)
    image = g.node("Concat", image, alpha, axis=1)
    levels = g.node("Mul", g.node("Clip", image, g.constant(0.0), g.constant(1.0)), g.constant(255.0))
    levels = g.node("Transpose", g.node("Round", levels), perm=[0, 2, 3, 1])
    g.node("Cast", levels, output="image", to=TensorProto.UINT8)
    kinds = {"overlay": TensorProto.UINT8}
    graph = helper.make_graph(
        g.nodes, f"generator-{size}",
        [helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
         for name, shape in inputs(shapes, size).items()],
        [helper.make_tensor_value_info("image", TensorProto.UINT8, (1, size, size, 4))],
        [*g.constants, *inner.graph.initializer],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
