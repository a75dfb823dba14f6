// Requests to an archive's API: who asks, what an answer says, and the next page of a list.

import { askForToken, stored } from "./token.js";

const TIMEOUT = 30_000;

export class Api {
  constructor(base) {
    this.base = base;
    this.token = stored();
    this.waiting = null;
  }

  /** Answers `{ json, headers, next }`; `next` is the path of the next page, or nothing. Who needs a token is asked for it, once for all. */
  async get(path, { signal, body } = {}) {
    for (;;) {
      const used = this.token;
      // Without tokens, Gnocchi's way is a name that nobody checks.
      const headers = { Accept: "application/json", Authorization: used ? `Bearer ${used}` : `Basic ${btoa("admin:")}` };
      if (body !== undefined) headers["Content-Type"] = "application/json";
      const ends = AbortSignal.any([AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])]);
      const sent = { method: body === undefined ? "GET" : "POST", headers, signal: ends, cache: "no-store", credentials: "omit", redirect: "error" };
      if (body !== undefined) sent.body = JSON.stringify(body);
      const response = await fetch(this.base + path, sent);
      if (response.status === 401) {
        if (used === this.token) await this.ask(used ? "This token is not known here." : "");
        continue;
      }
      const text = await response.text();
      const json = text === "" ? null : parsed(text);
      if (!response.ok) throw Object.assign(new Error(reason(json, response.status)), { status: response.status });
      return { json, headers: response.headers, next: next(response.headers.get("Link")) };
    }
  }

  ask(message) {
    this.waiting ??= new Promise((resolve) => {
      askForToken(message, (token) => {
        this.token = token;
        this.waiting = null;
        resolve();
      });
    });
    return this.waiting;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The words of an error, in one text. */
export function reason(json, status) {
  const said = json?.description ?? json?.error;
  if (typeof said === "string" && said !== "") return said;
  if (said && typeof said === "object") return [said.cause, said.reason ?? said.detail].filter((part) => typeof part === "string").join(": ") || `status ${status}`;
  return `status ${status}`;
}

/** The parameters of the next page. */
export function next(link) {
  const found = /<[^>?]*\?([^>]*)>;\s*rel="next"/.exec(link ?? "");
  return found ? found[1] : null;
}
