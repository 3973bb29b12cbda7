"""A trunk that needs no file: oriented filters on a pyramid, rectified and pooled, in two orders as in a scattering net.

Every number is from a formula, so the bank is the same on every machine; it is no substitute for learned features, and
pages that show its results say that it was used. Filters answer 1 to a wave of amplitude 1 at their own frequency, and
pooled amplitudes are compressed by a square root, which brings channels to the 0.1 to 1 that ReLU features have.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from glass_core.backbones.trunk import Trunk

ORIENTATIONS = 8
WAVELENGTH_PX = 4.0
CONTRAST_GAIN = 4.0  # eight grey levels against the surroundings become about 0.5
FLOOR = 1e-6

Responses = tuple[Tensor, Tensor]


class FilterBank(Trunk):
    """Levels of 128 channels at stride 8 and 256 at stride 16; it has no others.

    Of a pyramid of 5 octaves the fine level holds 0 to 3 and the coarse level 1 to 4: for each, lines of 8 orientations that
    are brighter or darker than their sides, edges of 8, spots brighter or darker (26 channels). Then grey and two opponent
    colours, plain and against three surroundings (24). The coarse level adds the second order (128): how the line energy of
    octaves 0 and 1 itself varies in 4 orientations over 16 and 32 px, which is where a weave loses its regularity.
    """

    level_channels = (128, 256)
    bf16 = False  # differences of nearly equal planes lose their digits

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("opponent", _opponent())
        self.register_buffer("binomial", torch.outer(row, row).expand(3, 1, 5, 5).contiguous())
        self.register_buffer("pairs", _pairs(ORIENTATIONS))
        self.register_buffer("coarse_pairs", _pairs(ORIENTATIONS // 2).repeat(2 * ORIENTATIONS, 1, 1, 1))
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Levels (B, 128, H/8, W/8) and (B, 256, H/16, W/16) of pictures normalised as for ImageNet (B, 3, H, W)."""
        octave = F.conv2d(x, self.get_buffer("opponent")[:, :3], self.get_buffer("opponent")[:, 3].flatten())
        octaves = [octave]
        for _ in range(4):
            octaves.append(self._blur(octaves[-1])[:, :, ::2, ::2])  # (B, 3, H/2^k, W/2^k)
        energies = [self._energies(octave) for octave in octaves]  # (B, 16, ...) lines and edges, (B, 10, ...) bright
        fine = [_first_order(energies[k], 8 >> k) for k in range(4)]
        coarse = [_first_order(energies[k], 16 >> k) for k in range(1, 5)]
        return (
            torch.cat([*fine, self._surroundings(octaves[3])], dim=1),  # (B, 128, H/8, W/8)
            torch.cat([*coarse, self._surroundings(octaves[4]), self._second_order(energies)], dim=1),  # (B, 256, ...)
        )

    def _blur(self, planes: Tensor) -> Tensor:
        return F.conv2d(F.pad(planes, (2, 2, 2, 2), mode="reflect"), self.get_buffer("binomial"), groups=3)

    def _energies(self, octave: Tensor) -> Responses:
        """Squares of the grey plane's answers: (B, 17, h, w) even, odd, spot; and of their bright halves (B, 9, h, w)."""
        grey = octave[:, :1]
        answers = F.conv2d(F.pad(grey, (3, 3, 3, 3), mode="reflect"), self.get_buffer("pairs"))  # (B, 16, h, w)
        spot = grey - self._blur(octave)[:, :1]
        even, odd = answers.split(ORIENTATIONS, dim=1)
        signed = torch.cat([even, spot], dim=1)  # (B, 9, h, w)
        return torch.cat([signed, odd], dim=1).square(), signed.relu().square()

    def _surroundings(self, octave: Tensor) -> Tensor:
        """Bright and dark halves of grey and colours: as they are, and against 3 ever wider surroundings (B, 24, h, w)."""
        near = self._blur(octave)
        far = F.avg_pool2d(near, 9, 1, padding=4, count_include_pad=False)
        whole = octave.mean(dim=(2, 3), keepdim=True)
        contrasts = [CONTRAST_GAIN * (octave - around) for around in (near, far, whole)]
        signed = torch.cat([octave, *contrasts], dim=1)  # (B, 12, h, w)
        return torch.cat([signed.relu(), (-signed).relu()], dim=1)

    def _second_order(self, energies: list[Responses]) -> Tensor:
        """Amplitudes (B, 128, H/16, W/16) of the waves in the line energy of octaves 0 and 1."""
        maps = []
        for k in (0, 1):
            even, odd = energies[k][0][:, :ORIENTATIONS], energies[k][0][:, ORIENTATIONS + 1 :]
            maps.append(_amplitude(F.avg_pool2d(even + odd, 4 >> k)))  # (B, 8, H/4, W/4)
        amplitude = torch.cat(maps, dim=1)  # (B, 16, H/4, W/4)
        waves = []
        for stride in (4, 8):
            padded = F.pad(amplitude, (3, 3, 3, 3), mode="reflect")
            answers = F.conv2d(padded, self.get_buffer("coarse_pairs"), groups=2 * ORIENTATIONS).square()
            even, odd = answers.unflatten(1, (-1, 2, ORIENTATIONS // 2)).unbind(dim=2)  # (B, 16, 4, h, w) each
            waves.append(_amplitude(F.avg_pool2d((even + odd).flatten(1, 2), 16 // stride)).sqrt())
            amplitude = F.avg_pool2d(amplitude, 2)
        return torch.cat(waves, dim=1)


def _first_order(energies: Responses, window: int) -> Tensor:
    """Compressed amplitudes (B, 26, ...) pooled over `window` cells of the octave: bright, dark, odd."""
    both, bright = (F.avg_pool2d(energy, window) if window > 1 else energy for energy in energies)
    dark = both[:, : ORIENTATIONS + 1] - bright
    return _amplitude(torch.cat([bright, dark, both[:, ORIENTATIONS + 1 :]], dim=1)).sqrt()


def _amplitude(energy: Tensor) -> Tensor:
    return (energy.clamp_min(0) + FLOOR).sqrt()


def _opponent() -> Tensor:
    """Rows (grey, red-green, yellow-blue) of an affine map (3, 4, 1, 1) that first undoes ImageNet's normalisation."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    mix = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) / 0.225
    offset = mix @ mean - torch.tensor([0.45, 0.0, 0.0]) / 0.225  # a white balance, not a colour, makes zero
    return torch.cat([mix * std, offset.unsqueeze(1)], dim=1)[..., None, None]


def _pairs(orientations: int) -> Tensor:
    """Even, then odd, Gabor filters (2 * orientations, 1, 7, 7) without mean; the first orientation is a vertical line."""
    y, x = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="ij")
    even, odd = [], []
    for k in range(orientations):
        angle = math.pi * k / orientations
        across = x * math.cos(angle) + y * math.sin(angle)
        along = y * math.cos(angle) - x * math.sin(angle)
        window = torch.exp(-(across**2 + 0.5 * along**2) / (2 * 1.5**2))
        phase = 2 * math.pi * across / WAVELENGTH_PX
        line = window * (phase.cos() - (window * phase.cos()).sum() / window.sum())
        even.append(line / (line * phase.cos()).sum())
        odd.append(window * phase.sin() / (window * phase.sin() * phase.sin()).sum())
    return torch.stack([*even, *odd]).unsqueeze(1)
