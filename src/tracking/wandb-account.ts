/** @file Where W&B is and who is asking: from the environment and ~/.netrc, as W&B's own client does. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";

const PUBLIC_SERVER = "https://api.wandb.ai";

/** How to reach W&B. */
export interface WandbAccount {
  /** Address of the server, without a slash at the end. */
  baseUrl: string;
  apiKey: string;
}

/**
 * The account in the variables WANDB_BASE_URL and WANDB_API_KEY; a key that is not there is looked for in the
 * file NETRC, or ~/.netrc, under the server's name.
 *
 * @throws UserError when there is no key, or the address is none
 */
export function wandbAccount(env: NodeJS.ProcessEnv): WandbAccount {
  const baseUrl = (env.WANDB_BASE_URL || PUBLIC_SERVER).replace(/\/+$/, "");
  const host = hostOf(baseUrl);
  const netrc = env.NETRC || join(homedir(), ".netrc");
  const apiKey = env.WANDB_API_KEY?.trim() || netrcPassword(readIfThere(netrc), host);
  if (apiKey === undefined) {
    throw new UserError(`Cannot log to W&B: no API key for ${host} in WANDB_API_KEY or "${netrc}"`, {
      hint: `Get one at ${appUrl(baseUrl)}/authorize and set WANDB_API_KEY, or log to a folder: --wandb offline.`,
    });
  }
  return { baseUrl, apiKey };
}

/** Where people look at runs. */
export function appUrl(baseUrl: string): string {
  return baseUrl === PUBLIC_SERVER ? "https://wandb.ai" : baseUrl;
}

function hostOf(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url?.protocol === "https:" || url?.protocol === "http:") return url.hostname;
  throw new UserError(`Cannot log to W&B: WANDB_BASE_URL is "${baseUrl}", expected an address with https://`);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The password for a machine in the text of a .netrc file; that of `default` when the machine is not there. */
export function netrcPassword(text: string, machine: string): string | undefined {
  const words = text.split(/\s+/);
  let isWanted = false;
  for (const [i, word] of words.entries()) {
    if (word === "machine") isWanted = words[i + 1] === machine;
    else if (word === "default") isWanted = true;
    else if (word === "password" && isWanted) return words[i + 1];
  }
  return undefined;
}
