/**
 * @file Holds work to staying on its device: what is to be recorded must not wait for numbers of the device, nor bring in
 * numbers of the host, which would stay the same for ever.
 */

import { native } from "./native.ts";

/** The host wanted something of the device, or had something for it, where nothing may pass between them. */
export class HostAccessError extends Error {
  override readonly name = "HostAccessError";
}

/**
 * Runs `body`.
 *
 * @throws HostAccessError where it reads a tensor's values or makes a tensor from values of the host. Operators that wait for
 *   the device by themselves are not seen.
 */
export function withoutHost<T>(body: () => T): T {
  const addon = native();
  const { item, toTypedArray, fromTypedArray } = addon;
  const refuse = (what: string) => (): never => {
    throw new HostAccessError(what);
  };
  Object.assign(addon, {
    item: refuse("the host reads a number of the device"),
    toTypedArray: refuse("the host reads a tensor of the device"),
    fromTypedArray: refuse("a tensor is made from numbers of the host"),
  });
  try {
    return body();
  } finally {
    Object.assign(addon, { item, toTypedArray, fromTypedArray });
  }
}
