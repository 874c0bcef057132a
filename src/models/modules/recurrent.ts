/**
 * @file The convolutional GRU over lags (model specification, section 13.1).
 *
 * Per frame, with `[x, h]` the input channels followed by the state's, and zero-padded convolutions:
 *
 *     z = sigmoid(update [x, h])    r = sigmoid(reset [x, h])    n = tanh(out [x, r h])    h' = (1 - z) h + z n
 *
 * It scans the lag axis from its first to its last frame; the first state is zero.
 */

import { cat, Module, ModuleList, ones, ops, scope, stack, type Tensor, zeros } from "../../torch/index.ts";
import { type BuildContext, castForAutocast, type Formulation } from "./layer.ts";
import { orthogonal } from "./orthogonal.ts";

/** A scan over the lag axis: `[batch, channels, T, H, W]` to `[batch, outChannels, T, ...]`, a state for every frame. */
export interface Recurrent extends Module {
  readonly outChannels: number;
  /** `lastOnly`: only the last state is wanted. The `reference` formulation may give all of them nevertheless. */
  forward(x: Tensor, options?: { lastOnly?: boolean }): Tensor;
}

export interface ConvGruOptions {
  inChannels: number;
  /** Channels of the state, one per layer. */
  hiddenDims: readonly number[];
  /** Odd kernel sizes, one per layer. */
  kernelSizes: readonly number[];
}

/** `[batch, channels, T, H, W]` to the top layer's states `[batch, hidden, T, H, W]`. */
export class ConvGru extends Module implements Recurrent {
  readonly outChannels: number;
  readonly #cells: ModuleList<ConvGruCell>;
  readonly #formulation: Formulation;

  constructor({ inChannels, hiddenDims, kernelSizes }: ConvGruOptions, context: BuildContext) {
    super();
    this.#formulation = context.formulation;
    this.#cells = this.child(
      "cells",
      new ModuleList(
        hiddenDims.map(
          (hidden, i) => new ConvGruCell(hiddenDims[i - 1] ?? inChannels, hidden, kernelSizes[i]!, context),
        ),
      ),
    );
    this.outChannels = hiddenDims.at(-1)!;
  }

  /** `lastOnly`: only the last state is wanted, `[batch, hidden, 1, H, W]`. */
  forward(x: Tensor, { lastOnly = false }: { lastOnly?: boolean } = {}): Tensor {
    const layers = this.#cells.items;
    return layers.reduce((states, cell, i) => {
      const top = i === layers.length - 1;
      return this.#formulation === "fast" ? cell.scan(states, lastOnly && top) : cell.scanByFrame(states);
    }, x);
  }
}

/** A gate's convolution: weight `[hidden, in + hidden, k, k]`, and bias. */
class Gate extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(inChannels: number, hidden: number, kernelSize: number, bias: number, context: BuildContext) {
    super();
    const shape = [hidden, inChannels + hidden, kernelSize, kernelSize];
    this.weight = this.parameter("weight", orthogonal(shape, context.generator));
    this.bias = this.parameter("bias", (bias === 1 ? ones : zeros)([hidden]));
  }
}

class ConvGruCell extends Module {
  readonly #inChannels: number;
  readonly #hidden: number;
  readonly #padding: number;
  readonly #update: Gate;
  readonly #reset: Gate;
  readonly #out: Gate;

  constructor(inChannels: number, hidden: number, kernelSize: number, context: BuildContext) {
    super();
    this.#inChannels = inChannels;
    this.#hidden = hidden;
    this.#padding = (kernelSize - 1) / 2;
    const gate = (name: string, bias: number) =>
      this.child(name, new Gate(inChannels, hidden, kernelSize, bias, context));
    // z multiplies the candidate, so this start replaces 73 % of the state per frame.
    this.#update = gate("update_gate", 1);
    this.#reset = gate("reset_gate", 0);
    this.#out = gate("out_gate", 0);
  }

  /** As written: three convolutions of input and state per frame. */
  scanByFrame(x: Tensor): Tensor {
    const [batch, , frames, height, width] = x.shape as [number, number, number, number, number];
    const conv = (gate: Gate, input: Tensor) => ops.conv2d(input, gate.weight, gate.bias, 1, this.#padding);
    let h = zeros([batch, this.#hidden, height, width], { dtype: x.dtype, device: x.device });
    const states: Tensor[] = [];
    for (let t = 0; t < frames; t++) {
      const frame = x.select(2, t);
      const both = cat([frame, h], 1);
      const z = conv(this.#update, both).sigmoid();
      const r = conv(this.#reset, both).sigmoid();
      const n = conv(this.#out, cat([frame, r.mul(h)], 1)).tanh();
      h = z.rsub(1).mul(h).add(z.mul(n));
      states.push(h);
    }
    return stack(states, 2);
  }

  /**
   * The same in fewer, larger convolutions. A convolution of `[x, h]` is one of `x` plus one of `h`, and that of `x` does
   * not wait for the state: one convolution serves all gates and all frames. Per frame remain one convolution for update
   * and reset and one for the candidate; the first frame has no state to convolve.
   */
  scan(x: Tensor, lastOnly: boolean): Tensor {
    const fromInput = this.#inputPart(x);
    const [gateWeight, outWeight] = this.#stateWeights();
    const hidden = this.#hidden;
    let h: Tensor | undefined;
    const states: Tensor[] = [];
    for (const frame of fromInput) {
      const before = h;
      h = scope(() => {
        const [gates, candidate] = frame.split([2 * hidden, hidden], 1) as [Tensor, Tensor];
        if (!before) {
          const z = gates.slice(1, 0, hidden).sigmoid();
          return z.mul(candidate.tanh()).to({ dtype: x.dtype });
        }
        const gated = ops.sigmoid_(this.#conv(before, gateWeight).add_(gates));
        const [z, r] = gated.split([hidden, hidden], 1) as [Tensor, Tensor];
        const n = ops.tanh_(this.#conv(r.mul(before), outWeight).add_(candidate));
        return before.add(z.mul(n.sub(before)));
      });
      if (!lastOnly) states.push(h);
    }
    return lastOnly ? h!.unsqueeze(2) : stack(states, 2);
  }

  /** Input part of all gates, bias included: per frame `[batch, 3 * hidden, H, W]` in the order update, reset, out. */
  #inputPart(x: Tensor): Tensor[] {
    const [batch, channels, frames, height, width] = x.shape as [number, number, number, number, number];
    const gates = [this.#update, this.#reset, this.#out];
    const weight = cat(
      gates.map((gate) => gate.weight.slice(1, 0, this.#inChannels)),
      0,
    );
    const bias = cat(gates.map((gate) => gate.bias));
    const inputs = castForAutocast(x)
      .permute([2, 0, 1, 3, 4])
      .reshape([frames * batch, channels, height, width]);
    const outputs = ops.conv2d(inputs, weight, bias, 1, this.#padding);
    return ops.unbind.int(outputs.view([frames, batch, 3 * this.#hidden, height, width]), 0);
  }

  /** State part of the weights: update and reset together, and out. Cast here, once, instead of once per frame. */
  #stateWeights(): [gates: Tensor, out: Tensor] {
    const statePart = (gate: Gate) => gate.weight.slice(1, this.#inChannels);
    return [
      castForAutocast(cat([statePart(this.#update), statePart(this.#reset)], 0)),
      castForAutocast(statePart(this.#out)),
    ];
  }

  #conv(h: Tensor, weight: Tensor): Tensor {
    return ops.conv2d(h, weight, null, 1, this.#padding);
  }
}
