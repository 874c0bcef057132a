/**
 * @file GRU and LSTM over whole frames (model specification, section 13.2). Per frame, with `x` the frame as one vector
 * (channel by channel, row by row) and `a`, `b` linear maps of `x` and of the state:
 *
 *     GRU    r = sigmoid(a_r + b_r)   z = sigmoid(a_z + b_z)   n = tanh(a_n + r b_n)   h' = (1 - z) n + z h
 *     LSTM   i, f, o = sigmoid(a + b)   g = tanh(a_g + b_g)    c' = f c + i g          h' = o tanh(c')
 *
 * They scan the lag axis from its first to its last frame; the first state is zero.
 */

import { UserError } from "../../errors.ts";
import { Module, ops, stack, type Tensor, withoutAutocast, zeros } from "../../torch/index.ts";
import { atLeastFloat32, type BuildContext, castForAutocast, type Formulation, uniformFanIn } from "./layer.ts";
import type { Recurrent } from "./recurrent.ts";

export interface RnnOptions {
  type: "gru" | "lstm";
  /** Size of a frame: `[channels, height, width]`. */
  frame: readonly [channels: number, height: number, width: number];
  hiddenDim: number;
  layers: number;
  /** Between layers, in training. */
  dropout: number;
}

/** Linear maps that a layer takes of its input, and of its state. */
export function gatesOf(type: RnnOptions["type"]): number {
  return type === "gru" ? 3 : 4;
}

/** `[batch, channels, T, H, W]` to the top layer's states `[batch, hidden, T, 1, 1]`. */
export class Rnn extends Module implements Recurrent {
  readonly outChannels: number;
  readonly #options: RnnOptions;
  readonly #formulation: Formulation;
  readonly #weights: RnnWeights;

  constructor(options: RnnOptions, context: BuildContext) {
    super();
    this.outChannels = options.hiddenDim;
    this.#options = options;
    this.#formulation = context.formulation;
    this.#weights = this.child("rnn", new RnnWeights(options, context));
  }

  /**
   * `lastOnly`: only the last state is wanted, `[batch, hidden, 1, 1, 1]`.
   *
   * @throws UserError for frames of another size than the weights were made for
   */
  forward(x: Tensor, { lastOnly = false }: { lastOnly?: boolean } = {}): Tensor {
    this.#checkFrame(x);
    const { type, layers, dropout } = this.#options;
    const scan = type === "gru" ? scanGru : scanLstm;
    const [batch, , frames] = x.shape as [number, number, number];
    let states: Tensor[] = [];
    let input = castForAutocast(x).permute([2, 0, 1, 3, 4]).reshape([frames, batch, -1]);
    for (const [i, weights] of this.#weights.layers.entries()) {
      const fromInput = this.#formulation === "fast" ? inputParts(input, weights) : inputPartsByFrame(input, weights);
      states = withoutAutocast(() => scan(fromInput, weights));
      if (i === layers - 1) break;
      input = stack(states);
      if (this.training && dropout > 0) input = ops.dropout(input, dropout, true);
    }
    const read = lastOnly ? states.slice(-1) : states;
    return stack(read, 2).view([batch, this.outChannels, read.length, 1, 1]);
  }

  #checkFrame({ shape }: Tensor): void {
    const { type, frame } = this.#options;
    const found = [shape[1], ...shape.slice(3)];
    if (found.join() === frame.join()) return;
    throw new UserError(
      `Cannot run the ${type}: it was built for features of ${frame.join(" x ")} (channels, rows, columns), ` +
        `found ${found.join(" x ")}`,
      { hint: "Give it stimuli of the size the model was built with, or build another model." },
    );
  }
}

/** Gates stacked: `[gates * hidden, in]`, `[gates * hidden, hidden]`, and a bias of either map. */
type LayerWeights = readonly [input: Tensor, state: Tensor, inputBias: Tensor, stateBias: Tensor];

/** The weights under the names of PyTorch's own RNN modules. */
class RnnWeights extends Module {
  readonly layers: readonly LayerWeights[];

  constructor({ type, frame, hiddenDim, layers }: RnnOptions, context: BuildContext) {
    super();
    const rows = gatesOf(type) * hiddenDim;
    const inputDim = frame[0] * frame[1] * frame[2];
    this.layers = Array.from({ length: layers }, (_, k): LayerWeights => {
      const weight = (name: string, shape: readonly number[]) =>
        this.parameter(`${name}_l${k}`, uniformFanIn(shape, hiddenDim, context));
      return [
        weight("weight_ih", [rows, k === 0 ? inputDim : hiddenDim]),
        weight("weight_hh", [rows, hiddenDim]),
        weight("bias_ih", [rows]),
        weight("bias_hh", [rows]),
      ];
    });
  }
}

/** Linear maps of the input, a tensor `[batch, gates * hidden]` per frame, in at least float32. */
function inputPartsByFrame(x: Tensor, [weight, , bias]: LayerWeights): Tensor[] {
  return ops.unbind.int(x, 0).map((frame) => atLeastFloat32(ops.linear(frame, weight, bias)));
}

/** The same in one product: the maps of the input do not wait for the state. */
function inputParts(x: Tensor, [weight, , bias]: LayerWeights): Tensor[] {
  return ops.unbind.int(atLeastFloat32(ops.linear(x, weight, bias)), 0);
}

/** The states `[batch, hidden]` of all frames. */
function scanGru(inputs: readonly Tensor[], [, weight, , bias]: LayerWeights): Tensor[] {
  let h = firstState(inputs, weight);
  return inputs.map((input) => {
    const [ar, az, an] = ops.chunk(input, 3, 1) as [Tensor, Tensor, Tensor];
    const [br, bz, bn] = ops.chunk(ops.linear(h, weight, bias), 3, 1) as [Tensor, Tensor, Tensor];
    const r = ar.add(br).sigmoid();
    const z = az.add(bz).sigmoid();
    const n = an.add(r.mul(bn)).tanh();
    h = n.add(z.mul(h.sub(n)));
    return h;
  });
}

/** The states `[batch, hidden]` of all frames. */
function scanLstm(inputs: readonly Tensor[], [, weight, , bias]: LayerWeights): Tensor[] {
  let h = firstState(inputs, weight);
  let c = h;
  return inputs.map((input) => {
    const [i, f, g, o] = ops.chunk(input.add(ops.linear(h, weight, bias)), 4, 1) as [Tensor, Tensor, Tensor, Tensor];
    c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    h = o.sigmoid().mul(c.tanh());
    return h;
  });
}

function firstState(inputs: readonly Tensor[], weight: Tensor): Tensor {
  const { dtype, device, shape } = inputs[0]!;
  return zeros([shape[0]!, weight.size(1)], { dtype, device });
}
