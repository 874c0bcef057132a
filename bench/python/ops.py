"""Cost of a four-element add in Python, measured as bench/ops.ts measures ours. Prints one JSON object."""

import json
import time

import torch

torch.set_num_threads(1)
a = torch.tensor([1.0, 2.0, 3.0, 4.0])
b = torch.tensor([1.0, 2.0, 3.0, 4.0])
samples = []
for _ in range(300):
    start = time.perf_counter_ns()
    for _ in range(1000):
        torch.add(a, b)
    samples.append((time.perf_counter_ns() - start) / 1000)
samples.sort()
print(json.dumps({"add_ns": samples[len(samples) // 10], "torch": torch.__version__}))
