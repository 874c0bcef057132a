/**
 * @file Memory of the host that batches are gathered into.
 */
import type { DType } from "../formats/array.ts";
import { empty, ops, type Tensor } from "../torch/index.ts";

/**
 * Values of a batch on their way to a device.
 *
 * For a CPU this is the batch itself: one piece of memory that grows with the largest batch. For a GPU it is page-locked, so
 * that transfers run beside computing; a new piece for every batch, which libtorch recycles once its transfer is over.
 */
export class HostBuffer {
  readonly #dtype: DType;
  readonly #device: string;
  #kept: Tensor | undefined;

  /** @param device where the values go */
  constructor(dtype: DType, device: string) {
    this.#dtype = dtype;
    this.#device = device;
  }

  get #isPinned(): boolean {
    return this.#device.startsWith("cuda");
  }

  /** Room for `count` values or more, [at least count]; what was there before is lost. */
  reserve(count: number): Tensor {
    if (this.#isPinned) return ops.empty.memory_format([count], { dtype: this.#dtype, pin_memory: true });
    if (this.#kept === undefined || this.#kept.numel < count) {
      this.#kept?.dispose();
      this.#kept = empty([count], { dtype: this.#dtype }).keep();
    }
    return this.#kept;
  }

  /** Reserved values on the device; transfers are not waited for. On a CPU these are the values themselves. */
  send(reserved: Tensor): Tensor {
    return reserved.to({ device: this.#device, nonBlocking: this.#isPinned });
  }

  dispose(): void {
    this.#kept?.dispose();
    this.#kept = undefined;
  }
}
