"""The GLASS network: frozen trunk, patch embedding, adaptor and discriminator; one score for each cell."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.backbones import backbone
from glass_core.network.embedding import EMBED_DIM, Embedding
from glass_core.network.normalise import Normalise
from glass_core.pictures.tiling import stride_px

HIDDEN_DIM = 1024
LEAKY_SLOPE = 0.2


class Product(nn.Linear):
    """A linear layer that multiplies in bf16 while it is trained, where `bf16` is set: rows, what becomes of them and the
    gradients are rounded there, and kept as float32, as the weights are."""

    bf16 = False

    def forward(self, rows: Tensor) -> Tensor:
        return self._product(rows, self.bias)

    def of_difference(self, rows: Tensor) -> Tensor:
        """Without the bias."""
        return self._product(rows, None)

    def of_gradient(self, gradient: Tensor) -> Tensor:
        """Of the layer's output (N, out) by its weight, as on the way back: (N, in)."""
        return _widened(self.rounded(gradient) @ self.rounded(self.weight.detach()))

    def of_weight(self, gradient: Tensor, rows: Tensor) -> Tensor:
        """The gradient of the weight (out, in), from that of the output (N, out) for rows (N, in)."""
        return _widened(self.rounded(gradient).T @ self.rounded(rows))

    def rounded(self, rows: Tensor) -> Tensor:
        """As this layer multiplies them."""
        return rows.bfloat16() if self.bf16 and self.training else rows

    def _product(self, rows: Tensor, bias: Tensor | None) -> Tensor:
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=self.bf16 and self.training):
            return _widened(F.linear(rows, self.weight, bias))


class Adaptor(nn.Module):
    """One linear layer on the embedding rows (docs/explanation/glass.md#the-heads)."""

    def __init__(self, dim: int = EMBED_DIM) -> None:
        super().__init__()
        self.layers = nn.Sequential(OrderedDict({"0fc": Product(dim, dim)}))

    @property
    def linear(self) -> Product:
        return self.layers.get_submodule("0fc")  # type: ignore[return-value]

    def forward(self, rows: Tensor) -> Tensor:
        return self.layers(rows)


class Discriminator(nn.Module):
    """Probability that an adapted row is anomalous: linear, batch norm, leaky ReLU, linear, sigmoid.

    See docs/explanation/glass.md#the-heads.
    """

    def __init__(self, dim: int = EMBED_DIM, hidden: int = HIDDEN_DIM) -> None:
        super().__init__()
        block = nn.Sequential(Product(dim, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(LEAKY_SLOPE))
        self.body = nn.Sequential(OrderedDict({"block1": block}))
        self.tail = nn.Sequential(nn.Linear(hidden, 1, bias=False), nn.Sigmoid())

    @property
    def linear(self) -> Product:
        return self.body.get_submodule("block1.0")  # type: ignore[return-value]

    @property
    def norm(self) -> nn.BatchNorm1d:
        return self.body.get_submodule("block1.1")  # type: ignore[return-value]

    @property
    def direction(self) -> Tensor:
        """The weight of the last layer, (1, hidden)."""
        return self.tail.get_parameter("0.weight")

    def forward(self, rows: Tensor) -> Tensor:
        """(N, dim) to (N, 1) in (0, 1)."""
        return self.tail(self.body(rows))

    def classify(self, hidden: Tensor) -> Tensor:
        """The probability (N, 1) from the first layer's output (N, hidden); batch statistics as in `forward`."""
        return self.tail(self.body.get_submodule("block1.2")(self.norm(hidden)))


class Glass(nn.Module):
    """Scores cells of tiles; the trunk's weights are the caller's to load (glass_core.network.weights)."""

    bf16 = False

    def __init__(self, arch: str, shrink: int = 1, levels: tuple[int, ...] = (2, 3)) -> None:
        """`shrink`: so many px of the camera, along each side, are one of the trunk's, whose `levels` a row holds."""
        super().__init__()
        self.arch, self.cell_px = arch, stride_px(levels) * shrink
        self.unit_px = stride_px(levels[-1:]) * shrink  # sides of tiles are multiples of it
        self.normalise = Normalise(shrink)
        self.backbone = backbone(arch).build(levels)
        self.embedding = Embedding(self.backbone.level_channels)
        self.pre_projection = Adaptor()
        self.discriminator = Discriminator()

    def init_heads(self, generator: torch.Generator) -> None:
        """Draw the trainable weights: Xavier normal, and torch's own law for the biases.

        See docs/explanation/glass.md#the-heads.
        """
        for linear in (self.pre_projection.linear, self.discriminator.linear):
            nn.init.xavier_normal_(linear.weight, generator=generator)
            bound = linear.in_features**-0.5
            nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
        nn.init.xavier_normal_(self.discriminator.direction, generator=generator)
        self.discriminator.norm.reset_parameters()

    @torch.no_grad()
    def leave_adaptor_out(self) -> None:
        """Make the adaptor the identity, which is not trained (table 4, without adaptor)."""
        linear = self.pre_projection.linear.requires_grad_(False)
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)

    def multiply_in_bf16(self) -> None:
        """While in train mode, from now on: the trunk, and the products of the heads' wide layers."""
        self.bf16 = self.backbone.bf16
        self.pre_projection.linear.bf16 = self.discriminator.linear.bf16 = True

    @torch.no_grad()
    def features(self, tiles: Tensor, cells: Tensor | None = None) -> Tensor:
        """Embedding rows (B * H/c * W/c, 1536), for cells of c px, of tiles with grey levels 0..255, (B, H, W) mono or
        (B, H, W, 3) RGB; or those (n, 1536) of such numbers `cells` (n,) alone."""
        with torch.autocast(tiles.device.type, torch.bfloat16, enabled=self.bf16 and self.training):
            levels = self.backbone(self.normalise(tiles))
        return self.embedding(*map(_widened, levels), cells=cells)

    def forward(self, tiles: Tensor) -> Tensor:
        """Cell scores (B, H/c, W/c) in (0, 1) of tiles (B, H, W) or (B, H, W, 3), uint8 or float 0..255."""
        scores = self.discriminator(self.pre_projection(self.features(tiles)))  # (B * H/c * W/c, 1)
        return scores.view(tiles.shape[0], tiles.shape[1] // self.cell_px, tiles.shape[2] // self.cell_px)


def _widened(product: Tensor) -> Tensor:
    """bf16 to float32; float64, in which tests compute, as it is."""
    return product.float() if product.dtype is torch.bfloat16 else product
