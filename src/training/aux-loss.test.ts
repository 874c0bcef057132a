import { describe, expect, test } from "vitest";
import { type AuxiliaryLoss, type HasAuxiliaryLosses, squaredErrorLoss } from "../models/losses.ts";
import { Module, ModuleList, scope, tensor, tensorStats } from "../torch/index.ts";
import { AuxiliaryLosses } from "./aux-loss.ts";

/** Contributes what it is told to. */
class Source extends Module implements HasAuxiliaryLosses {
  readonly weight = this.parameter("weight", tensor([2]));
  pending: AuxiliaryLoss[] = [];

  /** A pass whose errors are `errors` times the weight. */
  pass(name: string, ...errors: number[]): void {
    this.pending.push({ name, value: scope(() => squaredErrorLoss(tensor(errors).mul(this.weight))).keep() });
  }

  takeAuxiliaryLosses(): AuxiliaryLoss[] {
    return this.pending.splice(0);
  }
}

describe("AuxiliaryLosses", () => {
  test("averages over the passes of a batch, adds up names, weighs with 0.1", () => {
    const [a, b] = [new Source(), new Source()];
    const losses = new AuxiliaryLosses(new ModuleList([a, new ModuleList([b])]));
    a.pass("inner", 1, 1); // 4
    a.pass("inner", 2); // 16
    b.pass("other", 3); // 36
    scope(() => expect(losses.take()!.item()).toBeCloseTo(0.1 * (10 + 36), 5));
    expect(losses.take()).toBeNull();
  });

  test("has gradients, and frees what it was given", () => {
    const source = new Source();
    const losses = new AuxiliaryLosses(source, 0.5);
    const { live } = tensorStats();
    source.pass("inner", 3);
    scope(() => losses.take()!.backward());
    scope(() => expect(source.weight.grad!.item()).toBeCloseTo(0.5 * 9 * 2 * 2, 4));
    expect(tensorStats().live).toBe(live);
  });

  test("is null for models without any", () => {
    expect(new AuxiliaryLosses(new ModuleList([])).take()).toBeNull();
  });
});
