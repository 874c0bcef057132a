"""The flagship twin in PyTorch, eager, trained as the reference does: every session of a batch passes alone through the
shared core (flagship_model.py).

    python3 bench/python/flagship.py --check golden/models     compares with the golden full-size case
    python3 bench/python/flagship.py --precision bf16-mixed    times training steps

Either prints one JSON object. Timing is what bench/flagship.ts is compared with; both print the same keys.
"""

import argparse
import json
import platform
import resource
import sys
import time
from pathlib import Path

import torch
from flagship_model import GRID, Flagship
from torch.utils.flop_counter import FlopCounterMode

CASE = "fullsize_learned_resnet_none_convgru_gaussian"


def hashed(name, shape, base, amp):
    """Element i of a golden tensor is a 32-bit hash of its name and i, spread over [base - amp, base + amp]."""
    low = 0xFFFFFFFF
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & low
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    # Products overflow 64 bits, which leaves their lower 32 right.
    h = (i * 0x9E3779B1 + seed * 0x85EBCA77 + 0x27220A95) & low
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & low
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & low
    h = h ^ (h >> 16)
    return (base + amp * (2 * h.double() / 2**32 - 1)).reshape(shape).float()


def check(folder, device):
    """Compares outputs and stages with the golden case; returns the worst use of a tolerance, and where."""
    case = json.loads((folder / "fullsize" / f"{CASE}.json").read_text())
    model = Flagship(case["dataset_units"])
    assert sum(p.numel() for p in model.parameters()) == case["parameter_count"]
    state = {f["name"]: hashed(f"state.{f['name']}", f["shape"], f["base"], f["amp"]) for f in case["fill"]}
    model.load_state_dict(state)
    model.to(device)
    stages = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: stages.update({name: output}))

    # Other kernels add up in another order: the golden numbers allow ten times more then.
    slack = 1 if device == "cpu" else 10
    used = {}

    def compare(what, actual, expected, scale, tolerance):
        error = (torch.as_tensor(actual, dtype=torch.float64).cpu() - torch.tensor(expected, dtype=torch.float64)).abs()
        used[what] = error.max().item() / scale / (tolerance * slack)

    for run in case["runs"]:
        spec = next(given for given in run["inputs"] if given["arg"] == "stimulus")
        stimulus = hashed(spec["name"], spec["shape"], spec["base"], spec["amp"]).to(device)
        with torch.no_grad():
            outputs = [model(stimulus, session) for session in (1, 0)][::-1]  # stages are those of session 0
        lags = run["lags"]
        for session, rates in enumerate(outputs):
            expected = run[f"out{session}"]
            compare(f"out{session}, {lags} lags", rates, expected, max(map(max, expected)), 1e-5)
        for name, golden in run["stages"].items():
            x = stages[name].double().cpu()
            assert list(x.shape) == golden["shape"], f"{name}: {list(x.shape)} instead of {golden['shape']}"
            tolerance = max(1e-6, 20 * golden["float32_err"])
            measured = {
                "mean": x.mean(),
                "rms": x.square().mean().sqrt(),
                "min": x.min(),
                "max": x.max(),
                "sample": x.flatten()[golden["sample_index"]],
            }
            for key, value in measured.items():
                compare(f"{name} {key}, {lags} lags", value, golden[key], golden["rms"], tolerance)
    worst = max(used, key=used.get)
    return {"check": CASE, "compared": len(used), "worst": worst, "tolerance_used": used[worst], "passed": used[worst] <= 1}


def batch_of(args, device):
    """Per session: stimulus, spike counts and validity, the samples shared out as evenly as they go."""
    torch.manual_seed(1)
    sizes = [args.batch // args.sessions + (k < args.batch % args.sessions) for k in range(args.sessions)]
    return [
        (
            torch.randn(size, 1, args.lags, GRID, GRID, device=device),
            torch.poisson(torch.full((size, args.units), 0.2, device=device)),
            torch.ones(size, args.units, device=device),
        )
        for size in sizes
        if size > 0
    ]


def poisson_loss(rates, robs, dfs):
    rates = rates.float().clamp_min(1e-8)
    return ((rates - robs * (rates + 1e-8).log()) * dfs).sum() / dfs.sum()


def mean_loss(model, batch, device, precision):
    """Every session of the batch weighs the same."""
    # Like the reference: weights are cast again at every use.
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed", cache_enabled=False):
        return torch.stack(
            [poisson_loss(model(stimulus, k), robs, dfs) for k, (stimulus, robs, dfs) in enumerate(batch)]
        ).mean()


def optimizer_of(model):
    groups = {(core, decayed): [] for core in (True, False) for decayed in (True, False)}
    for name, parameter in model.named_parameters():
        core = "frontend" in name or "convnet" in name
        decayed = name.endswith(".weight") and parameter.ndim >= 2
        if parameter.requires_grad:
            groups[core, decayed].append(parameter)
    return torch.optim.AdamW(
        [{"params": ps, "weight_decay": 1e-4 if decayed else 0.0} for (_, decayed), ps in groups.items() if ps],
        lr=1e-3,
        fused=True,
    )


def flops_per_sample(model, args, device):
    """Floating-point operations, forward and backward, products with the windows' zeros included."""
    alone = argparse.Namespace(**{**vars(args), "batch": 1, "sessions": 1})
    with FlopCounterMode(display=False) as counter:
        mean_loss(model, batch_of(alone, device), device, args.precision).backward()
    model.zero_grad()
    return counter.get_total_flops()


def seconds(call, device, repeats, warmup):
    """Times of calls, with the device idle before and after each."""
    times = []
    for _ in range(warmup + repeats):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return times[warmup:]


def matmul_tflops(precision, device):
    """The best rate of a large matrix product in the same number format; float32 on a GPU means TF32."""
    size = 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b, device, repeats=10, warmup=3)) / 1e12


def device_name(device):
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].split(":")[1].strip() if models else platform.machine()


def measure(args):
    device = torch.device(args.device)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.set_float32_matmul_precision("high")  # TF32, as in convolutions by default
    torch.manual_seed(0)
    model = Flagship([args.units] * args.sessions).to(device)
    flops = flops_per_sample(model, args, device)
    optimizer = optimizer_of(model)
    batch = batch_of(args, device)
    losses = []

    def step():
        loss = mean_loss(model, batch, device, args.precision)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())

    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    step_s = min(seconds(step, device, args.steps, warmup=3 if on_gpu else 1))
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    samples_per_s = args.batch / step_s
    rate = matmul_tflops(args.precision, device)
    return {
        "formulation": "reference",
        "device": args.device,
        "device_name": device_name(device),
        "precision": args.precision,
        "batch": args.batch,
        "sessions": args.sessions,
        "units": args.units,
        "lags": args.lags,
        "steps": args.steps,
        "threads": torch.get_num_threads(),
        "libtorch": torch.__version__,
        "cuda": torch.version.cuda if on_gpu else None,
        "samples_per_s": samples_per_s,
        "peak_memory_bytes": peak,
        "matmul_tflops": rate,
        "model_gflop_per_sample": flops / 1e9,
        "matmul_share": samples_per_s * flops / 1e12 / rate,
        "first_loss": losses[0].item(),
        "last_loss": losses[-1].item(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="DIR", help="folder with the golden models; times nothing")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["32", "bf16-mixed"], default="32")
    parser.add_argument("--batch", type=int, default=32, help="samples per step, all sessions together")
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--units", type=int, default=100, help="units per session")
    parser.add_argument("--lags", type=int, default=33)
    parser.add_argument("--steps", type=int, default=10, help="steps of which the fastest counts")
    parser.add_argument("--threads", type=int, help="default: as many as PyTorch chooses")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = check(args.check, args.device) if args.check else measure(args)
    print(json.dumps(result))
    sys.exit(0 if result.get("passed", True) else 1)


if __name__ == "__main__":
    main()
