"""The training step of bench/step.ts in Python. Prints one JSON object."""

import json
import math
import resource
import sys

import torch
import torch.nn.functional as F

STEPS = int(sys.argv[1])


def filled(shape, scale):
    n = math.prod(shape)
    return torch.tensor([scale * math.sin(i * 0.7 + n) for i in range(n)], dtype=torch.float32).reshape(shape)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


torch.set_num_threads(1)
conv1 = filled((16, 1, 5, 7, 7), 0.1).requires_grad_()
conv2 = filled((32, 16, 3, 5, 5), 0.03).requires_grad_()
gates = filled((64, 64, 3, 3), 0.04).requires_grad_()
candidate = filled((32, 64, 3, 3), 0.04).requires_grad_()
readout = filled((20, 32), 0.1).requires_grad_()
stimulus = filled((2, 1, 16, 41, 41), 1)
counts = filled((2, 20), 1).abs()
adam = torch.optim.AdamW([conv1, conv2, gates, candidate, readout], lr=1e-3, weight_decay=0.01, fused=True)


def forward():
    y1 = F.conv3d(F.pad(stimulus, (0, 0, 0, 0, 4, 0)), conv1).relu()
    y2 = F.conv3d(F.pad(y1, (0, 0, 0, 0, 2, 0)), conv2, stride=(1, 2, 2)).relu()
    h = torch.zeros(2, 32, 16, 16)
    for t in range(16):
        x = y2[:, :, t]
        z, r = F.conv2d(torch.cat([x, h], 1), gates, padding=1).sigmoid().split([32, 32], 1)
        n = F.conv2d(torch.cat([x, r * h], 1), candidate, padding=1).tanh()
        h = (1 - z) * h + z * n
    rate = F.softplus(F.linear(h.mean((2, 3)), readout))
    return (rate - counts * (rate + 1e-8).log()).mean()


best, last = math.inf, 0.0
for _ in range(STEPS):
    start = cpu_seconds()
    loss = forward()
    loss.backward()
    adam.step()
    adam.zero_grad()
    last = loss.item()
    best = min(best, cpu_seconds() - start)
print(json.dumps({"best_s": best, "last_loss": last, "torch": torch.__version__}))
