import { describe, expect, test } from "vitest";
import { CudaGraphs } from "./cuda-graph.ts";
import { HostAccessError, withoutHost } from "./host-free.ts";
import { native } from "./native.ts";
import { ops } from "./ops.ts";
import { cudaDeviceCount } from "./runtime.ts";
import { scope } from "./scope.ts";
import { full, tensor } from "./tensor.ts";

const hasGpu = cudaDeviceCount() > 0;

describe("CudaGraphs", () => {
  test("says why there are none", () => {
    expect(CudaGraphs.missing("cpu")).toBe("they are for GPUs, and this is cpu");
    expect(() => new CudaGraphs("cpu")).toThrow("Cannot record CUDA graphs: they are for GPUs, and this is cpu");
  });

  test.skipIf(hasGpu)("without a GPU says so in one line, and never crashes", () => {
    const reason = CudaGraphs.missing("cuda:0");
    expect(reason).toMatch(
      /^(this libtorch has no CUDA, or there is no CUDA device|CUDA graphs need libtorch 2\.13.*)$/,
    );
    expect(() => new CudaGraphs("cuda:0")).toThrow(`Cannot record CUDA graphs: ${reason}`);
    if (!reason!.startsWith("this")) return;
    expect(() => native().openRecorder("cuda:0")).toThrow(reason!);
    for (const name of ["enterRecorder", "leaveRecorder", "closeRecorder"] as const) {
      expect(() => native()[name](0), name).toThrow("the CUDA graph has been disposed");
    }
    expect(() => native().replayGraph(0)).toThrow("the CUDA graph has been disposed");
    expect(() => native().beginGraph(0, true)).toThrow(reason!);
  });

  test.skipIf(!hasGpu)("records work, does it again with other values, and does not do it while recording", () => {
    const graphs = new CudaGraphs("cuda:0");
    scope(() => {
      const [input, sum] = [full([], 2, { device: "cuda:0" }), full([], 0, { device: "cuda:0" })];
      const body = () => [sum.add_(input.square()).clone()];
      graphs.warmUp(() => scope(() => void body()));
      expect(sum.item()).toBe(4);
      const work = graphs.record(body);
      expect(sum.item()).toBe(4);
      input.fill_(3);
      work.replay();
      expect([sum.item(), work.outputs[0]!.item()]).toEqual([13, 13]);
      expect(() => graphs.record(() => [full([], input.item())])).toThrow(HostAccessError);
      // An operator that waits for the device breaks the recording; what follows goes on as if it had not been.
      expect(() => graphs.record(() => [input.to({ device: "cpu" })])).toThrow();
      expect(ops.dropout(full([], 1, { device: "cuda:0" }), 0.5, true).shape).toEqual([]);
      work.replay();
      expect(sum.item()).toBe(22);
      work.dispose();
    });
    graphs.dispose();
  });
});

describe("withoutHost()", () => {
  test("refuses what goes between host and device, and nothing afterwards", () => {
    scope(() => {
      const one = full([], 1);
      expect(() => withoutHost(() => one.item())).toThrow("the host reads a number of the device");
      expect(() => withoutHost(() => one.toTypedArray())).toThrow("the host reads a tensor of the device");
      expect(() => withoutHost(() => tensor([1]))).toThrow("a tensor is made from numbers of the host");
      expect(() => withoutHost(() => tensor(1))).toThrow(HostAccessError);
      expect(withoutHost(() => one.add(full([], 1))).item()).toBe(2);
      expect(tensor([1]).toTypedArray()).toEqual(Float32Array.of(1));
    });
  });
});
