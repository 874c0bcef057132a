"""The flagship twin (experiments/model_configs/learned_resnet_none_convgru_gaussian.yaml) in PyTorch, formulated as the
reference does: windowed kernels are convolved whole, each ConvGRU gate convolves the concatenated input and state of each
frame, and all frames are kept. Shapes are [batch, channels, lags, height, width].
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

GRID = 51  # pixels


def hann(taps, power=1.0):
    """Symmetric, both ends exactly 0, largest value 1. An axis of fewer than 5 taps gets no window."""
    if taps < 5:
        return torch.ones(taps)
    window = torch.hann_window(taps, periodic=False, dtype=torch.float64)
    window[0] = window[-1] = 0
    window = window**power
    return (window / window.max()).float()


class Window(nn.Module):
    """Multiplies a kernel [out, in, time, height, width] by a separable Hann window."""

    def __init__(self, size, power):
        super().__init__()
        t, h, w = (hann(n, power) for n in size)
        self.register_buffer("mask", t[:, None, None] * h[:, None] * w, persistent=False)

    def forward(self, weight):
        return weight * self.mask


class UnitNorm(nn.Module):
    """A kernel of unit norm per output channel. The tensor it replaces stays in the state but takes no part."""

    def __init__(self, weight):
        super().__init__()
        self.v = nn.Parameter(weight.detach().clone())
        self.g = nn.Parameter(torch.ones(len(weight)), requires_grad=False)

    def forward(self, _original):
        norm = self.v.flatten(1).norm(dim=1).clamp_min(1e-12)
        return self.v * (self.g / norm).view(-1, 1, 1, 1, 1)


class WindowedConv(nn.Module):
    def __init__(self, inputs, outputs, size, power=1.0, unit_norm=True):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, size, bias=False)
        # unsafe: windowing a windowed kernel gives another kernel, which PyTorch would check for.
        if unit_norm:
            parametrize.register_parametrization(self.conv, "weight", UnitNorm(self.conv.weight), unsafe=True)
        parametrize.register_parametrization(self.conv, "weight", Window(size, power), unsafe=True)

    def forward(self, x):
        return self.conv(x)


class RmsNorm(nn.Module):
    """Over channels, per pixel and frame, in float32."""

    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        wide = x.float()
        y = wide * torch.rsqrt(wide.square().mean(1, keepdim=True) + 1e-5)
        return (y * self.gamma.view(-1, 1, 1, 1) + self.beta.view(-1, 1, 1, 1)).to(x.dtype)


class GlobalResponseNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1, 1), 0.1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1, 1))

    def forward(self, x):
        response = torch.linalg.vector_norm(x, dim=(2, 3, 4), keepdim=True)
        return self.gamma * (x * (response / (response.mean(1, keepdim=True) + 1e-5))) + self.beta + x


class SplitRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.ongain = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x):
        return torch.cat([x.relu() * self.ongain.abs(), (-x).relu()], 1)


class Block(nn.Module):
    """Pad the newest side of the lags, convolve, normalise, rectify both signs, pool."""

    def __init__(self, inputs, outputs, size, norm, pool=False):
        super().__init__()
        self.lag_padding = size[0] - 1
        parts = {"conv": WindowedConv(inputs, outputs, size), "norm": norm(outputs), "act": SplitRelu()}
        if pool:
            parts["pool"] = nn.MaxPool3d(2)
        self.components = nn.ModuleDict(parts)

    def forward(self, x):
        if self.lag_padding > 0:
            x = F.pad(x, (0, 0, 0, 0, self.lag_padding, 0), mode="replicate")
        for component in self.components.values():
            x = component(x)
        return x


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, size, pool):
        super().__init__()
        self.main_block = Block(inputs, outputs, size, GlobalResponseNorm, pool)
        self.shortcut = nn.Conv3d(inputs, 2 * outputs, 1, stride=2 if pool else 1, bias=False)

    def forward(self, x):
        y = self.main_block(x)
        return y + cropped(self.shortcut(x), y.shape[2:])


def cropped(x, size):
    """The last frames and the central pixels."""
    frames, height, width = size
    top, left = (x.shape[3] - height) // 2, (x.shape[4] - width) // 2
    return x[:, :, x.shape[2] - frames :, top : top + height, left : left + width]


class Convnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [ResidualBlock(16, 64, (3, 9, 9), pool=True), ResidualBlock(128, 128, (3, 5, 5), pool=False)]
        )
        self.stem = Block(4, 8, (1, 7, 7), RmsNorm)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return x


class Frontend(nn.Module):
    def __init__(self):
        super().__init__()
        self.temporal_conv = WindowedConv(1, 4, (16, 1, 1), power=0.25, unit_norm=False)

    def forward(self, x):
        return self.temporal_conv(x)


class ConvGruCell(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.hidden = hidden
        self.update_gate, self.reset_gate, self.out_gate = (
            nn.Conv2d(inputs + hidden, hidden, 3, padding=1) for _ in range(3)
        )
        for gate in (self.update_gate, self.reset_gate, self.out_gate):
            nn.init.orthogonal_(gate.weight)
            nn.init.zeros_(gate.bias)
        nn.init.ones_(self.update_gate.bias)

    def forward(self, x, h):
        both = torch.cat([x, h], 1)
        z = self.update_gate(both).sigmoid()
        r = self.reset_gate(both).sigmoid()
        n = self.out_gate(torch.cat([x, r * h], 1)).tanh()
        return (1 - z) * h + z * n


class ConvGru(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.cells = nn.ModuleList([ConvGruCell(inputs, hidden)])

    def forward(self, x):
        h = x.new_zeros(len(x), self.cells[0].hidden, *x.shape[3:])
        states = []
        for frame in x.unbind(2):
            h = self.cells[0](frame, h)
            states.append(h)
        return torch.stack(states, 2)


class Adapter(nn.Module):
    """Blur and resampling of every frame to GRID x GRID."""

    def __init__(self):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(1.0).expm1().log())
        self.log_scale = nn.Parameter(torch.zeros(2))
        line = torch.linspace(-1, 1, GRID)
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("base_grid", torch.stack([x, y], -1), persistent=False)

    def forward(self, x):
        batch, channels, frames = x.shape[:3]
        planes = x.reshape(-1, 1, *x.shape[3:])
        scale = F.softplus(self.log_scale)
        # The number of taps depends on the width: both are read on the host, without gradient.
        smallest, own = scale.min().item(), F.softplus(self.log_sigma).item()
        anti_alias = 0.0 if smallest >= 1 else 0.44 * (1 / smallest - 1)
        planes = blurred(planes, (anti_alias**2 + own**2) ** 0.5)
        grid = (self.base_grid * scale).expand(len(planes), -1, -1, -1)
        planes = F.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        return planes.view(batch, channels, frames, GRID, GRID)


def blurred(planes, sigma):
    """Gaussian blur with an even number of taps: an axis gets one pixel shorter."""
    if sigma < 1e-3:
        return planes
    k = round(6 * sigma) | 1
    offsets = torch.arange(k + 1, dtype=torch.float32, device=planes.device) - (k + 1) / 2
    taps = torch.exp(-0.5 * (offsets / sigma) ** 2)
    taps = taps / taps.sum()
    planes = F.conv2d(planes, taps.view(1, 1, -1, 1), padding=((k - 1) // 2, 0))
    return F.conv2d(planes, taps.view(1, 1, 1, -1), padding=(0, (k - 1) // 2))


class GaussianReadout(nn.Module):
    def __init__(self, channels, units):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(units))
        self.mean = nn.Parameter(0.1 * torch.randn(units, 2))
        self.std = nn.Parameter(torch.full((units, 2), 0.5))
        self.theta = nn.Parameter(torch.zeros(units))
        self.features = nn.Conv2d(channels, units, 1, bias=False)

    def mask(self, height, width):
        y = torch.arange(height, device=self.mean.device) - (height - 1) / 2
        x = torch.arange(width, device=self.mean.device) - (width - 1) / 2
        dy = y.view(1, -1, 1) - self.mean[:, 0, None, None]
        dx = x.view(1, 1, -1) - self.mean[:, 1, None, None]
        std = self.std.clamp_min(1e-3)[..., None, None]
        cos, sin = self.theta.cos()[:, None, None], self.theta.sin()[:, None, None]
        a, b = (dy * cos + dx * sin) / std[:, 0], (dx * cos - dy * sin) / std[:, 1]
        mask = torch.exp(-0.5 * (a**2 + b**2))
        return mask / (mask.sum((1, 2), keepdim=True) + 1e-8)

    def forward(self, x):
        last = x[:, :, -1]
        return (self.features(last) * self.mask(*last.shape[2:])).sum((2, 3)) + self.bias


class Flagship(nn.Module):
    """One shared core; an adapter and a readout per session. Parameters are named and ordered as in checkpoints."""

    def __init__(self, units):
        super().__init__()
        self.adapters = nn.ModuleList(Adapter() for _ in units)
        self.frontend = Frontend()
        self.convnet = Convnet()
        self.recurrent = ConvGru(256, 128)
        self.readouts = nn.ModuleList(GaussianReadout(128, n) for n in units)

    def forward(self, stimulus, session):
        """Rates [batch, units] of one session for its stimulus [batch, 1, lags, height, width]."""
        x = self.recurrent(self.convnet(self.frontend(self.adapters[session](stimulus))))
        return F.softplus(self.readouts[session](x))
