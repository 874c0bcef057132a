/**
 * @file The key-value store of a process group. Rank 0 serves it, or a launcher does; through it the processes find each other
 * and tell each other how they are.
 */

import { UserError } from "../errors.ts";
import { native } from "./native.ts";

/** Where the store is, and who asks. */
export interface StoreOptions {
  address: string;
  port: number;
  /** This process, for messages. */
  rank: number;
  /** Whether this process serves it. */
  serves: boolean;
  /** Seconds until the connection must stand. */
  connectSeconds: number;
  /** Keeps groups apart that use one store. */
  run: string;
  /** Seconds until a request must be answered. */
  answerSeconds?: number;
}

/** Seconds until the store must answer, unless said otherwise. */
export const STORE_SECONDS = 5;

/** Texts by name. Every request throws when it is not answered in time, or the connection is gone. */
export class Store {
  readonly id: number;
  private readonly prefix: string;
  private readonly answerSeconds: number;

  private constructor(id: number, prefix: string, answerSeconds: number) {
    this.id = id;
    this.prefix = prefix;
    this.answerSeconds = answerSeconds;
  }

  /** @throws UserError when the port is in use or there is no connection */
  static open({
    address,
    port,
    rank,
    serves,
    connectSeconds,
    run,
    answerSeconds = STORE_SECONDS,
  }: StoreOptions): Store {
    try {
      const id = native().openStore(address, port, serves, connectSeconds);
      return new Store(id, `visioncore/${run}/`, answerSeconds);
    } catch (error) {
      if (/EADDRINUSE|already in use/i.test(String(error))) {
        throw new UserError(`Rank ${rank} cannot listen on port ${port}: it is in use`, {
          hint: "Choose another --master-port (MASTER_PORT), the same for all processes.",
          cause: error,
        });
      }
      const [reason] = String((error as Error).message).split("\n");
      throw new UserError(`Rank ${rank} cannot open the store at ${address}:${port}: ${reason}`, { cause: error });
    }
  }

  /** Under which name the server knows a key. */
  key(name: string): string {
    return this.prefix + name;
  }

  set(name: string, text: string): void {
    native().storeSet(this.id, this.key(name), text, this.answerSeconds);
  }

  /** The text of each key, null where none has been set. */
  get(names: readonly string[]): (string | null)[] {
    const keys = names.map((name) => this.key(name));
    return native().storeGet(this.id, keys, this.answerSeconds);
  }

  close(): void {
    native().closeStore(this.id);
  }
}
