"""The fused embedding against the official numbers, and against unfolding and pooling written out."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from glass_core.network.embedding import EMBED_DIM, Embedding
from tests.shared_data import shared


def plain_embedding(*levels: Tensor) -> Tensor:
    """docs/explanation/glass.md#the-embedding, step by step: unfold, upsample the patches, pool, stack, pool again."""
    batch, _, h, w = levels[0].shape
    pooled = []
    for level in levels:
        patches = F.unfold(level, 3, padding=1).view(batch, -1, *level.shape[-2:])  # (B, 9C, h', w')
        if patches.shape[-2:] != (h, w):
            patches = F.interpolate(patches, (h, w), mode="bilinear", align_corners=False)
        rows = patches.permute(0, 2, 3, 1).reshape(batch * h * w, 1, -1)  # (rows, 1, 9C)
        pooled.append(F.adaptive_avg_pool1d(rows, EMBED_DIM))
    stacked = torch.cat(pooled, dim=1).flatten(1).unsqueeze(1)  # (rows, 1, L * 1536)
    return F.adaptive_avg_pool1d(stacked, EMBED_DIM).squeeze(1)  # (rows, 1536)


@pytest.mark.parametrize(("name", "channels"), [("resnet18", (128, 256)), ("wide_resnet50", (512, 1024))])
def test_golden(name: str, channels: tuple[int, int]) -> None:
    golden = np.load(shared(f"goldens/embedding_{name}.npz"))
    rows = Embedding(channels)(torch.from_numpy(golden["layer2"]), torch.from_numpy(golden["layer3"]))
    np.testing.assert_allclose(rows, golden["embedding"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "channels",
    [
        (128, 256),
        (512, 1024),
        (64, 128),
        (40, 112),
        (256, 512),
        (64,),
        (1024,),
        (24,),
        (256, 512, 1024),
        (64, 128, 256),
        (10, 20, 40),
    ],
)
def test_equals_unfolding_and_pooling_for_any_levels_and_channel_counts(channels: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    levels = [torch.randn(2, count, 12 >> place, 16 >> place) for place, count in enumerate(channels)]
    torch.testing.assert_close(Embedding(channels)(*levels), plain_embedding(*levels), rtol=0, atol=1e-5)


def test_level_1_beside_level_3_is_interpolated_fourfold() -> None:
    torch.manual_seed(1)
    levels = (torch.randn(2, 64, 12, 16), torch.randn(2, 256, 3, 4))
    torch.testing.assert_close(Embedding((64, 256))(*levels), plain_embedding(*levels), rtol=0, atol=1e-5)


def test_resnet18_closed_form() -> None:
    torch.manual_seed(2)
    fine = torch.randn(1, 128, 4, 4)
    rows = Embedding((128, 256))(fine, torch.zeros(1, 256, 2, 2)).view(4, 4, EMBED_DIM)
    for channel, ky, y, x in [(0, 0, 1, 2), (5, 1, 2, 1), (127, 2, 1, 1)]:
        e = fine[0, channel, y + ky - 1, x - 1 : x + 2]
        wanted = torch.stack([0.75 * e[0] + 0.25 * e[1], 0.25 * e[1] + 0.75 * e[2]])
        torch.testing.assert_close(rows[y, x, 6 * channel + 2 * ky :][:2], wanted)


def test_rows_are_image_major_then_row_major() -> None:
    fine = torch.zeros(2, 128, 4, 6)
    fine[1, :, 2, 3] = 1
    lit = Embedding((128, 256))(fine, torch.zeros(2, 256, 2, 3)).abs().sum(dim=1)
    assert lit.view(2, 4, 6).nonzero().tolist() == [[1, y, x] for y in (1, 2, 3) for x in (2, 3, 4)]


@pytest.mark.parametrize("channels", [(128, 256), (24,), (10, 20, 40)])
def test_rows_of_some_cells_are_those_of_all(channels: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    levels = [torch.randn(2, count, 12 >> place, 16 >> place, dtype=torch.float64) for place, count in enumerate(channels)]
    embedding = Embedding(channels)
    cells = torch.randperm(2 * 12 * 16)
    torch.testing.assert_close(embedding(*levels, cells=cells), embedding(*levels)[cells], rtol=0, atol=1e-12)


def test_averages_keep_a_constant_inside_and_shrink_it_at_the_border() -> None:
    rows = Embedding((128, 256))(torch.ones(1, 128, 6, 6), torch.ones(1, 256, 3, 3)).view(6, 6, EMBED_DIM)
    torch.testing.assert_close(rows[3, 3, :768], torch.ones(768))
    assert rows[0, 0, :768].mean() < 0.6  # zero padding takes part (docs/explanation/glass.md#the-embedding)
