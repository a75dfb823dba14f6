// The metric servers: how each is doing, and a form that creates, tests and disables one. A token is typed here, sent once, and shown never.

import { h, setText } from "./dom.js";
import { clock } from "./format.js";

const EVERY = 2000;
const TIMEOUT = 40_000;
/** The protocols of each type, the parameter that names one, and customary ports. */
const PROTOCOLS = {
  graphite: { name: "proto", ports: { udp: 2003, tcp: 2003 } },
  influxdb: { name: "influxdbproto", ports: { udp: 8089, http: 8086, https: 8086 } },
  opentelemetry: { name: "otel-protocol", ports: { https: 4318, http: 4318 } },
};
const find = (id) => document.getElementById(id);

export class Servers {
  /** `token()` is the token that the page has now. */
  constructor({ base, token }) {
    Object.assign(this, { base, token });
    this.dialog = find("servers");
    this.form = find("servers-new");
    find("servers-open").hidden = false;
    find("servers-open").addEventListener("click", () => this.open());
    find("servers-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => clearInterval(this.timer));
    this.form.elements.type.addEventListener("change", () => this.choose());
    this.form.elements.protocol.addEventListener("change", () => this.port());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(event.submitter?.value ?? "create");
    });
    this.choose();
  }

  open() {
    this.say("");
    this.dialog.showModal();
    this.look();
    clearInterval(this.timer);
    this.timer = setInterval(() => this.look(), EVERY);
  }

  say(text, bad = false) {
    setText(find("servers-said"), text);
    find("servers-said").classList.toggle("fault", bad);
  }

  /** Shows what a type has, and nothing else. */
  choose() {
    const { type, protocol } = this.form.elements;
    protocol.replaceChildren(...Object.keys(PROTOCOLS[type.value].ports).map((name) => h("option", {}, name)));
    for (const label of this.form.querySelectorAll("[data-of]")) label.hidden = label.dataset.of !== type.value;
    this.port();
  }

  port() {
    const { type, protocol, port } = this.form.elements;
    port.value = PROTOCOLS[type.value].ports[protocol.value];
  }

  /** One request; the answer, or an error with the server's words. */
  async ask(method, path, parameters) {
    const headers = { Accept: "application/json" };
    if (this.token()) headers.Authorization = `Bearer ${this.token()}`;
    const body = parameters && new URLSearchParams(parameters);
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(new URL(path, this.base), { method, headers, body, signal, cache: "no-store", credentials: "omit", redirect: "error" });
    // Without JSON the status says all there is.
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const wrong = Object.entries(answer.errors ?? {}).map(([name, why]) => `${name}: ${why.trim()}`);
    throw new Error(wrong.join("; ") || (answer.message ?? answer.error ?? `status ${response.status}`).trim());
  }

  async look() {
    if (this.asking) return;
    this.asking = true;
    try {
      this.show(await this.ask("GET", "v1/metric-servers"));
    } catch (error) {
      this.say(String(error.message ?? error), true);
    } finally {
      this.asking = false;
    }
  }

  /** Draws anew only what is different: what is about to be clicked stays where it is. */
  show(answer) {
    this.form.hidden = !answer.may_modify;
    const text = JSON.stringify(answer);
    if (text === this.shown) return;
    this.shown = text;
    const focused = document.activeElement?.dataset.what;
    const { servers, damaged, may_modify: may } = answer;
    const rows = servers.map((server) => this.row(server, may));
    const broken = damaged.map(({ id, type, line, error }) => h("li", { class: "server bad" }, h("strong", {}, id || "a section without an id"), ` ${type}, line ${line}: ${error}`, may && id ? this.button("Remove", id, () => this.remove(id, type)) : null));
    const none = rows.length + broken.length === 0 ? [h("p", { class: "empty" }, "There are no servers yet.")] : [h("ul", {}, ...rows, ...broken)];
    find("servers-list").replaceChildren(...none);
    if (focused) find("servers-list").querySelector(`[data-what="${CSS.escape(focused)}"]`)?.focus();
  }

  row(server, may) {
    const { id, type, destination, enabled, state, ledger, fault, last_error: last } = server;
    const bad = ["failing", "wrong"].includes(state);
    const account = `recorded ${ledger.recorded} = sent ${ledger.sent} + pending ${ledger.pending} + superseded ${ledger.superseded} + dropped ${ledger.dropped}`;
    const error = fault ?? (last && `${clock(last.time)}: ${last.text}`);
    const buttons = may && [
      this.button("Test", id, () => this.act(`The connection of ${id} is good.`, "POST", `v1/metric-servers/test/${encodeURIComponent(id)}`)),
      this.button(enabled ? "Disable" : "Enable", id, () => this.enable(server, !enabled)),
      this.button("Remove", id, () => this.remove(id, type)),
    ];
    return h("li", { class: bad ? "server bad" : "server", "data-server": id }, h("div", {}, h("strong", {}, id), ` ${type} to ${destination}: `, h("span", { class: "state" }, state)), h("div", { class: "account" }, account), error ? h("div", { class: "fault" }, error) : null, buttons ? h("div", { class: "bar" }, ...buttons) : null);
  }

  button(text, id, act) {
    return h("button", { type: "button", "data-what": `${text} ${id}`, "aria-label": `${text} ${id}`, onclick: act }, text);
  }

  route(id, type) {
    return `api2/json/${PROTOCOLS[type] ? "cluster/metrics/server" : `config/metrics/${type}`}/${encodeURIComponent(id)}`;
  }

  /** Both say how a server is switched off, each in its words. */
  enable({ id, type, options }, on) {
    const parameters = PROTOCOLS[type] ? { server: options.server, port: options.port ?? PROTOCOLS[type].ports.tcp ?? 4318, disable: on ? 0 : 1 } : { enable: on ? 1 : 0 };
    return this.act(`${id} is ${on ? "enabled" : "disabled"}.`, "PUT", this.route(id, type), parameters);
  }

  remove(id, type) {
    if (this.sure !== id) {
      this.sure = id;
      this.say(`Remove ${id} for good? Press Remove again.`);
      return undefined;
    }
    this.sure = null;
    return this.act(`${id} is removed.`, "DELETE", this.route(id, type));
  }

  submit(what) {
    const given = this.form.elements;
    const type = given.type.value;
    const parameters = { type, server: given.server.value.trim(), port: given.port.value, [PROTOCOLS[type].name]: given.protocol.value };
    for (const label of this.form.querySelectorAll(`[data-of="${type}"] input`)) if (label.value) parameters[label.name] = label.value;
    const id = given.id.value.trim();
    if (what === "test") return this.act("The connection is good; nothing was kept.", "POST", "v1/metric-servers/test", { ...parameters, id });
    return this.act(`${id} is created.`, "POST", this.route(id, type), parameters, () => {
      this.form.reset();
      this.choose();
    });
  }

  async act(after, method, path, parameters, then) {
    if (this.acting) return;
    this.acting = true;
    this.say("Working …");
    try {
      await this.ask(method, path, parameters);
      then?.();
      this.say(after);
    } catch (error) {
      this.say(String(error.message ?? error), true);
    } finally {
      this.acting = false;
      this.look();
    }
  }
}
