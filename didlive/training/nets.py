"""The networks: a refiner that adds what a warp cannot know, the critics that judge it, and an encoder of identity.

Shapes in comments are (N, C, H, W) for the mouth crop, 96 x 128.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..generate.canonical import EYE, FACE, MOUTH

# The light between the lips: found over cells of so many px, never changed by more than this, and its colour by less; a
# cell without a mouth keeps it.
CELL, LIGHT, TINT, LEAST = 16, (0.45, 1.3), (0.95, 1.05), 1e-3
SLOPE = 0.1  # Leaky: plain ReLU units die here and never come back.


def conv(inside: int, outside: int, stride: int = 1, size: int = 3) -> nn.Conv2d:
    """Return a convolution with He initialisation for a leaky ReLU."""
    layer = nn.Conv2d(inside, outside, size, stride, size // 2)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    nn.init.constant_(layer.get_parameter("bias"), 0)
    return layer


class Block(nn.Module):
    """x + conv(act(conv(x))), starting as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, channels), conv(channels, channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.first(x), SLOPE))


class RegionNet(nn.Module):
    """A small U-Net at half resolution and below; its output is added to the warped picture."""

    def __init__(self, inside: int, width: int, blocks: int = 3) -> None:
        super().__init__()
        a, b, c = width, 2 * width, 4 * width
        self.stem = conv(4 * inside, a)
        self.fine = Block(a)
        self.down1, self.mid = conv(a, b, stride=2), Block(b)
        self.down2 = conv(b, c, stride=2)
        self.deep = nn.Sequential(*(Block(c) for _ in range(blocks)))
        self.up2, self.mid_up = conv(c, b, size=1), Block(b)
        self.up1, self.fine_up = conv(b, a, size=1), Block(a)
        self.head = conv(a, 12)
        # Zero: training begins at the plain warp.
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:  # (N, 12, 96, 128), -1..1
        x = F.leaky_relu(self.stem(F.pixel_unshuffle(x, 2)), SLOPE)  # (N, a, 48, 64)
        fine = self.fine(x)
        mid = self.mid(F.leaky_relu(self.down1(fine), SLOPE))  # (N, b, 24, 32)
        deep = self.deep(F.leaky_relu(self.down2(mid), SLOPE))  # (N, c, 12, 16)
        mid = self.mid_up(mid + F.interpolate(self.up2(deep), scale_factor=2.0, mode="nearest"))
        fine = self.fine_up(fine + F.interpolate(self.up1(mid), scale_factor=2.0, mode="nearest"))
        return F.pixel_shuffle(self.head(F.leaky_relu(fine, SLOPE)), 2)  # (N, 3, 96, 128), units of 0..1


class MouthNet(RegionNet):
    """Redraws lips and skin; of what the warp drew between the lips it changes only the light.

    Where teeth are exactly, and where one ends, no crop says: a network that may redraw them learns the average of all
    teeth, a smear, which is nearer to the truth in numbers and farther from it for the eye.
    """

    def forward(self, x: Tensor) -> Tensor:  # (N, 12, 96, 128)
        free = super().forward(x)
        warped, inside = (x[:, :3] + 1) / 2, F.avg_pool2d((x[:, 6:7] + 1) / 2, 3, 1, 1)
        wanted, there = (F.avg_pool2d(inside * v, CELL, CELL // 2) for v in (warped + free, warped))  # (N, 3, 11, 15)
        light = ((wanted.mean(1, keepdim=True) + LEAST) / (there.mean(1, keepdim=True) + LEAST)).clamp(*LIGHT)
        light = light * ((wanted + LEAST) / (there + LEAST) / light).clamp(*TINT)
        light = F.interpolate(light, size=(x.shape[2], x.shape[3]), mode="bilinear", align_corners=False)
        return free * (1 - inside) + warped * (light - 1) * inside


class Refiner(nn.Module):
    """One net per region. Inputs -1..1, outputs residuals in units of 0..1 RGB."""

    def __init__(self, mouth: int = 32, eyes: int = 24, face: int = 24) -> None:
        super().__init__()
        self.mouth = MouthNet(MOUTH.channels, mouth, blocks=4)
        self.eyes = RegionNet(EYE.channels, eyes, blocks=2)
        self.face = RegionNet(FACE.channels, face, blocks=2)

    def forward(self, mouth: Tensor, eyes: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # (1, 12, 96, 128), (2, 9, 64, 64), (1, 9, 64, 64) -> RGB of the same sizes
        return self.mouth(mouth), self.eyes(eyes), self.face(face)


class PatchDiscriminator(nn.Module):
    """Says for each patch of about 22 px whether it is a photo, seeing the guide beside it."""

    def __init__(self, inside: int, width: int = 24) -> None:
        super().__init__()
        sizes = (inside, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(i, o, 4, 2, 1))
                                    for i, o in itertools.pairwise(sizes))
        self.last = spectral_norm(nn.Conv2d(sizes[-1], 1, 3, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (N, 3 + guide, 96, 128)
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.last(x), features  # (N, 1, 12, 16)


class IdentityEncoder(nn.Module):
    """A face crop of 64 x 64 to a unit vector; features on the way serve as a perceptual distance."""

    def __init__(self, width: int = 32, size: int = 128) -> None:
        super().__init__()
        w = width
        self.layers = nn.ModuleList((conv(3, w), conv(w, 2 * w, stride=2), conv(2 * w, 4 * w, stride=2),
                                     conv(4 * w, 4 * w, stride=2)))
        self.head = nn.Linear(4 * w * 16, size)

    def features(self, x: Tensor) -> list[Tensor]:  # (N, 3, H, W), -1..1; any size
        out = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            out.append(x)
        return out

    def forward(self, x: Tensor) -> Tensor:  # (N, 3, 64, 64)
        deep = F.adaptive_avg_pool2d(self.features(x)[-1], 4)
        return F.normalize(self.head(deep.flatten(1)), dim=1)  # (N, 128)
