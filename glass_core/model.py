"""The GLASS network: frozen trunk, patch embedding, adaptor and discriminator; one score for each cell of 8 px."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.backbone import Normalise, build_backbone
from glass_core.embedding import EMBED_DIM, LEVEL_DIM, Embedding

HIDDEN_DIM = 1024
LEAKY_SLOPE = 0.2


class Adaptor(nn.Module):
    """One linear layer on the embedding rows (glass.md 2.1)."""

    def __init__(self, dim: int = EMBED_DIM) -> None:
        super().__init__()
        self.layers = nn.Sequential(OrderedDict({"0fc": nn.Linear(dim, dim)}))

    @property
    def linear(self) -> nn.Linear:
        return self.layers.get_submodule("0fc")  # type: ignore[return-value]

    def forward(self, rows: Tensor) -> Tensor:
        return self.layers(rows)


class Discriminator(nn.Module):
    """Probability that an adapted row is anomalous: linear, batch norm, leaky ReLU, linear, sigmoid (glass.md 2.2)."""

    def __init__(self, dim: int = EMBED_DIM, hidden: int = HIDDEN_DIM) -> None:
        super().__init__()
        block = nn.Sequential(nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(LEAKY_SLOPE))
        self.body = nn.Sequential(OrderedDict({"block1": block}))
        self.tail = nn.Sequential(nn.Linear(hidden, 1, bias=False), nn.Sigmoid())

    @property
    def linear(self) -> nn.Linear:
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
    """Scores cells of tiles; the trunk's weights are the caller's to load (glass_core.weights)."""

    def __init__(self, arch: str) -> None:
        super().__init__()
        self.arch = arch
        self.normalise = Normalise()
        self.backbone = build_backbone(arch)
        self.embedding = Embedding(self.backbone.level_channels)
        self.pre_projection = Adaptor()
        self.discriminator = Discriminator()

    def init_heads(self, generator: torch.Generator) -> None:
        """Draw the trainable weights (glass.md 2.1, 2.2): Xavier normal, and torch's own law for the biases."""
        for linear in (self.pre_projection.linear, self.discriminator.linear):
            nn.init.xavier_normal_(linear.weight, generator=generator)
            bound = linear.in_features**-0.5
            nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
        nn.init.xavier_normal_(self.discriminator.direction, generator=generator)
        self.discriminator.norm.reset_parameters()

    @torch.no_grad()
    def features(self, tiles: Tensor) -> Tensor:
        """Embedding rows (B * H/8 * W/8, 1536) of tiles with grey levels 0..255, (B, H, W) mono or (B, H, W, 3) RGB."""
        return self.embedding(*self.backbone(self.normalise(tiles)))

    def forward(self, tiles: Tensor) -> Tensor:
        """Cell scores (B, H/8, W/8) in (0, 1) of tiles (B, H, W) or (B, H, W, 3), uint8 or float 0..255."""
        scores = self.discriminator(self.pre_projection(self.features(tiles)))  # (B * H/8 * W/8, 1)
        return scores.view(tiles.shape[0], tiles.shape[1] // 8, tiles.shape[2] // 8)


class FoldedGlass(nn.Module):
    """`Glass` for inference only: adaptor, first layer and batch norm as one affine map (glass.md 10.2).

    The map acts on each level by itself, on the coarser one before interpolation, where there are a quarter of the cells.
    """

    def __init__(self, glass: Glass) -> None:
        super().__init__()
        self.normalise, self.backbone, self.embedding = glass.normalise, glass.backbone, glass.embedding
        adaptor, linear, norm = glass.pre_projection.linear, glass.discriminator.linear, glass.discriminator.norm
        with torch.no_grad():
            mean, var = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
            gain = norm.weight.double() / (var + norm.eps).sqrt()  # (hidden,)
            weight = gain.unsqueeze(1) * (linear.weight.double() @ adaptor.weight.double())  # (hidden, 1536)
            offset = linear.weight.double() @ adaptor.bias.double() + linear.bias.double()  # (hidden,)
            bias = gain * (offset - mean) + norm.bias.double()  # (hidden,)
        self.register_buffer("fine", weight[:, :LEVEL_DIM].float()[..., None, None])  # (hidden, 768, 1, 1)
        self.register_buffer("coarse", weight[:, LEVEL_DIM:].float()[..., None, None])  # (hidden, 768, 1, 1)
        self.register_buffer("bias", bias.float())
        self.register_buffer("direction", glass.discriminator.direction.detach().clone()[..., None, None])

    def forward(self, tiles: Tensor) -> Tensor:
        """Cell scores (B, H/8, W/8) of tiles (B, H, W) or (B, H, W, 3)."""
        layer2, layer3 = self.backbone(self.normalise(tiles))
        hidden = F.conv2d(self.embedding.fine(layer2), self.get_buffer("fine"), self.get_buffer("bias"))
        coarse = F.conv2d(self.embedding.coarse(layer3), self.get_buffer("coarse"))
        hidden = hidden + self.embedding.upsample(coarse, layer2)  # (B, hidden, H/8, W/8)
        logits = F.conv2d(F.leaky_relu(hidden, LEAKY_SLOPE), self.get_buffer("direction"))
        return torch.sigmoid(logits).squeeze(1)  # (B, H/8, W/8)
