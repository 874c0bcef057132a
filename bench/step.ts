/**
 * @file A training step in TypeScript against the same step in Python, on the same libtorch: two causal 3-D convolutions,
 * a convolutional GRU, a linear readout, Poisson loss, AdamW. One thread, CPU time, batch of 2, 1 x 16 x 41 x 41.
 *
 * `VISIONCORE_PYTHON=python3 npx tsx bench/step.ts`; target: at most 1.03 of Python's time, equal losses.
 */

import { AdamW, clearGrads, ops, setNumThreads, type Tensor, tensor, tensorScope, zeros } from "../src/torch/index.ts";
import { pythonResult } from "./python.ts";

const STEPS = 24;

/** The same numbers on both sides: a sine of the index. */
function filled(shape: number[], scale: number): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: n }, (_, i) => Math.fround(scale * Math.sin(i * 0.7 + n))),
    shape,
  ).keep();
}

const parameters = {
  conv1: filled([16, 1, 5, 7, 7], 0.1),
  conv2: filled([32, 16, 3, 5, 5], 0.03),
  gates: filled([64, 64, 3, 3], 0.04),
  candidate: filled([32, 64, 3, 3], 0.04),
  readout: filled([20, 32], 0.1),
};
const stimulus = filled([2, 1, 16, 41, 41], 1);
const counts = filled([2, 20], 1).abs().keep();

function forward(): Tensor {
  const { conv1, conv2, gates, candidate, readout } = parameters;
  const x1 = ops.constant_pad_nd(stimulus, [0, 0, 0, 0, 4, 0]);
  const y1 = ops.conv3d(x1, conv1).relu();
  const y2 = ops.conv3d(ops.constant_pad_nd(y1, [0, 0, 0, 0, 2, 0]), conv2, null, [1, 2, 2]).relu(); // (2, 32, 16, 16, 16)
  let h = zeros([2, 32, 16, 16]);
  for (let t = 0; t < 16; t++) {
    const x = y2.select(2, t);
    const [z, r] = ops
      .conv2d(ops.cat([x, h], 1), gates, null, 1, 1)
      .sigmoid()
      .split([32, 32], 1) as [Tensor, Tensor];
    const n = ops.conv2d(ops.cat([x, r.mul(h)], 1), candidate, null, 1, 1).tanh();
    h = z.rsub(1).mul(h).add(z.mul(n));
  }
  const rate = ops.linear(h.mean([2, 3]), readout).softplus();
  return rate.sub(counts.mul(rate.add(1e-8).log())).mean();
}

setNumThreads(1);
const named = Object.entries(parameters).map(([name, t]) => ({ name, tensor: t.setRequiresGrad() }));
const adam = new AdamW([{ name: "all", parameters: named, lr: 1e-3, weightDecay: 0.01 }]);

const losses: number[] = [];
const seconds: number[] = [];
for (let step = 0; step < STEPS; step++) {
  using _scope = tensorScope();
  const start = process.cpuUsage();
  const loss = forward();
  loss.backward();
  adam.step();
  clearGrads(adam.parameters());
  losses.push(loss.item());
  const { user, system } = process.cpuUsage(start);
  seconds.push((user + system) / 1e6);
}
const best = Math.min(...seconds);
console.log(
  `ours: ${(best * 1e3).toFixed(1)} ms CPU per step (best of ${STEPS}), last loss ${losses.at(-1)!.toFixed(7)}`,
);

const python = pythonResult("step.py", [String(STEPS)]);
if (python) {
  const theirs = python.best_s as number;
  console.log(
    `Python ${python.torch}: ${(theirs * 1e3).toFixed(1)} ms, last loss ${(python.last_loss as number).toFixed(7)}`,
  );
  console.log(`ours / Python ${(best / theirs).toFixed(3)}`);
}
