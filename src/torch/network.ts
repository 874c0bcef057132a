/**
 * @file The little that a process group needs to know about the network.
 */

import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";

const RETRY_MS = 100;

/** Whether somebody listens at an address before `until` (milliseconds of `performance.now()`). Asks again and again. */
export async function reachable(host: string, port: number, until: number): Promise<boolean> {
  while (!(await answers(host, port, Math.max(1, until - performance.now())))) {
    if (performance.now() + RETRY_MS > until) return false;
    await sleep(RETRY_MS);
  }
  return true;
}

function answers(host: string, port: number, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout });
    const end = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket
      .on("connect", () => end(true))
      .on("error", () => end(false))
      .on("timeout", () => end(false));
  });
}

/**
 * The address of the interface through which this machine reaches another. `GLOO_SOCKET_IFNAME` names another interface.
 *
 * @throws UserError when there is no interface of that name
 */
export async function addressTowards(
  host: string,
  port: number,
  wanted = process.env.GLOO_SOCKET_IFNAME,
): Promise<string> {
  if (wanted) {
    const addresses = networkInterfaces()[wanted];
    if (addresses?.[0]) return (addresses.find(({ family }) => family === "IPv4") ?? addresses[0]).address;
    throw new UserError(`GLOO_SOCKET_IFNAME is "${wanted}", and there is no such network interface`, {
      hint: `This machine has ${Object.keys(networkInterfaces()).join(", ")}.`,
    });
  }
  for (const type of ["udp4", "udp6"] as const) {
    const address = await localAddress(type, host, port);
    if (address !== undefined) return address;
  }
  return "127.0.0.1";
}

/** Connecting a datagram socket sends nothing, it only chooses the interface. */
function localAddress(type: "udp4" | "udp6", host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(type);
    const end = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.on("error", () => end(undefined));
    socket.connect(port, host, () => end(socket.address().address));
  });
}

/** A TCP port of this machine that nobody uses at the moment. */
export function freePort(host = "127.0.0.1"): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
