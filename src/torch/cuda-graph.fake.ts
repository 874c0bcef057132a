/**
 * @file Records on the CPU, for tests: "recorded" work is done again by JavaScript. As with a graph, recording changes
 * nothing but what the host knows, outputs stay where they are, and the host must keep out.
 */

import { noGrad } from "./autograd.ts";
import type { RecordedWork, Recorder } from "./cuda-graph.ts";
import { defaultGeneratorState, setDefaultGeneratorState } from "./generator.ts";
import { withoutHost } from "./host-free.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

export class FakeRecorder implements Recorder {
  /** What happened, in order. */
  readonly calls: string[] = [];
  private readonly state: () => Iterable<Tensor>;

  /** @param state all tensors that outlive the work and that it changes in their place */
  constructor(state: () => Iterable<Tensor>) {
    this.state = state;
  }

  warmUp<T>(body: () => T): T {
    this.calls.push("warm up");
    return body();
  }

  record(body: () => readonly Tensor[]): RecordedWork {
    this.calls.push("record");
    const outputs = this.unchanged(() => scope(() => withoutHost(body).map((output) => output.keep())));
    return {
      outputs,
      replay: () => {
        this.calls.push("replay");
        const again = scope(() => withoutHost(body).map((output) => output.keep()));
        for (const [i, output] of again.entries()) {
          outputs[i]!.copy_(output);
          output.dispose();
        }
      },
      dispose: () => {
        this.calls.push("free");
        for (const output of outputs) output.dispose();
      },
    };
  }

  dispose(): void {
    this.calls.push("dispose");
  }

  /** Runs `body` and undoes what it did to the state. */
  private unchanged<T>(body: () => T): T {
    const generator = defaultGeneratorState();
    const before = noGrad(() => [...this.state()].map((tensor) => ({ tensor, values: tensor.detach().clone() })));
    try {
      return body();
    } finally {
      setDefaultGeneratorState(generator);
      for (const { tensor, values } of before) {
        noGrad(() => tensor.detach().copy_(values));
        values.dispose();
      }
      generator.dispose();
    }
  }
}
