/**
 * @file CUDA graphs: work that is recorded once and launched in one piece, without the host's part in every operator.
 *
 * What is recorded are the device's operations with their addresses and numbers. Done again, they read and write the same
 * tensors; whatever the host decided, computed or counted while recording stays as it was. Random operators that draw from
 * the device's default generator go on drawing from it.
 */

import { UserError } from "../errors.ts";
import { withoutHost } from "./host-free.ts";
import { native } from "./native.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

/** Work that can be done again. */
export interface RecordedWork {
  /** What it puts out, at the same place every time; valid until the next {@link replay} of anything recorded beside it. */
  readonly outputs: readonly Tensor[];
  /** Does the work. The host does not wait for it. */
  replay(): void;
  /** Frees what the work is done in, its outputs too. */
  dispose(): void;
}

/** Records work. */
export interface Recorder {
  /** Does work at once, where recording happens: what is set up at first use is set up for it then. Do so before recording. */
  warmUp<T>(body: () => T): T;

  /**
   * Records work without doing it.
   *
   * @param body returns the outputs, which recorded work frees
   * @throws HostAccessError, or libtorch's error, for work that cannot be recorded; what it left behind in JavaScript is void
   */
  record(body: () => readonly Tensor[]): RecordedWork;

  /** To be called after all recorded work was disposed of. */
  dispose(): void;
}

/** Records CUDA graphs. Those of one recorder share memory, so that many take no more than the largest. */
export class CudaGraphs implements Recorder {
  readonly #id: number;
  /** Graphs that are not disposed of. */
  #count = 0;

  /** Why there are no graphs on a device, or null: "cpu", "cuda:0". */
  static missing(device: string): string | null {
    if (!device.startsWith("cuda")) return `they are for GPUs, and this is ${device}`;
    return native().cudaGraphsMissing();
  }

  /** @throws UserError where there are none */
  constructor(device: string) {
    const missing = CudaGraphs.missing(device);
    if (missing !== null) throw new UserError(`Cannot record CUDA graphs: ${missing}`);
    this.#id = native().openRecorder(device);
  }

  warmUp<T>(body: () => T): T {
    native().enterRecorder(this.#id);
    try {
      return body();
    } finally {
      native().leaveRecorder(this.#id);
    }
  }

  record(body: () => readonly Tensor[]): RecordedWork {
    return this.warmUp(() => {
      // Memory that all graphs have left cannot be taken again.
      const graph = native().beginGraph(this.#id, this.#count === 0);
      let outputs: readonly Tensor[] = [];
      let isRecording = true;
      try {
        outputs = scope(() => withoutHost(body).map((output) => output.keep()));
        isRecording = false;
        native().endGraph(graph);
      } catch (error) {
        if (isRecording) endInvalid(graph);
        free(graph, outputs);
        throw error;
      }
      this.#count++;
      return {
        outputs,
        replay: () => native().replayGraph(graph),
        dispose: () => {
          this.#count--;
          free(graph, outputs);
        },
      };
    });
  }

  dispose(): void {
    native().closeRecorder(this.#id);
  }
}

/** Ends a recording that failed already, for another reason. */
function endInvalid(graph: number): void {
  try {
    native().endGraph(graph);
  } catch {
    // It fails because of what failed before.
  }
}

function free(graph: number, outputs: readonly Tensor[]): void {
  for (const output of outputs) output.dispose();
  native().closeGraph(graph);
}
