/** @file Requests to tracking servers: JSON both ways, and errors that say whether to try again. */

/** Characters of a server's answer that appear in messages. */
const QUOTED = 200;

/** Statuses of servers that are busy or broken for now. */
const PASSING = new Set([408, 425, 429]);

/** A request that failed. */
export class RequestError extends Error {
  override readonly name: string = "RequestError";
  /** What the server answered; undefined when it did not. */
  readonly status: number | undefined;
  /** Whether the same request may succeed later. */
  readonly isPassing: boolean;

  constructor(message: string, options: { status?: number; isPassing: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.isPassing = options.isPassing;
  }
}

/** What is asked of a server. */
export interface JsonRequest {
  method?: "GET" | "POST";
  headers?: Record<string, string>;
  /** Sent as JSON; a string as it is. */
  body?: unknown;
  /** Gives up; its reason is told. */
  signal: AbortSignal;
}

/**
 * The JSON that a server answers; null when it answers nothing.
 *
 * @throws RequestError when it cannot be reached, does not answer before the signal, or refuses
 */
export async function requestJson(
  url: string,
  { method = "POST", headers = {}, body, signal }: JsonRequest,
): Promise<unknown> {
  let status: number;
  let text: string;
  try {
    const answer = await fetch(url, {
      method,
      headers: { "content-type": "application/json", ...headers },
      body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
      signal,
    });
    status = answer.status;
    text = await answer.text();
  } catch (cause) {
    throw new RequestError(`${new URL(url).host} does not answer: ${reason(cause)}`, { isPassing: true, cause });
  }
  if (status >= 300) {
    throw new RequestError(`${new URL(url).host} answers ${status}: ${quoted(text)}`, {
      status,
      isPassing: status >= 500 || PASSING.has(status),
    });
  }
  try {
    return text === "" ? null : JSON.parse(text);
  } catch (cause) {
    throw new RequestError(`${new URL(url).host} answers with something other than JSON: ${quoted(text)}`, {
      status,
      isPassing: false,
      cause,
    });
  }
}

function reason(cause: unknown): string {
  const { message, cause: inner } = cause as Error;
  const system = inner as NodeJS.ErrnoException | undefined;
  return system?.code ?? system?.message ?? message;
}

/** The message in a server's answer, or its beginning, on one line. */
function quoted(text: string): string {
  let message = text;
  try {
    const { error, message: said, errors } = JSON.parse(text);
    message = [errors?.[0]?.message, said, error].find((part) => typeof part === "string") ?? text;
  } catch {
    // Not JSON: a page of a proxy, for example.
  }
  const line = message.replace(/\s+/g, " ").trim();
  return line.length > QUOTED ? `${line.slice(0, QUOTED - 1)}…` : line || "nothing";
}
