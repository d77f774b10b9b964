// One endpoint: what it is, its secret, and what can be done with it.

import { attempts } from "./attempts.js";
import { doing, h, notice, show, time } from "./dom.js";
import { all, endpointForm, nameOf, standing, state } from "./endpoints.js";

export async function endpointPage(ask, id) {
  const path = `/endpoint/${encodeURIComponent(id)}`;
  const [endpoint, stats, circuit, types] = await Promise.all([
    ask("GET", path), ask("GET", `${path}/stats`), ask("GET", `${path}/circuit`), all(ask, "/api/v1/event-type"),
  ]);
  document.title = `${endpoint.url ? new URL(endpoint.url).host : nameOf(endpoint)} · Webhooks`;
  const again = () => endpointPage(ask, id);
  const log = h("div", {});
  show(
    h("p", {}, h("a", { href: "#" }, "← All endpoints")),
    h("header", {}, h("h1", { className: "mono" }, nameOf(endpoint)), state(endpoint, circuit), actions(ask, path, endpoint, again)),
    h("div", { className: "card pad" }, h("dl", {},
      ...field("Description", endpoint.description || "–"),
      ...field("Events", endpoint.eventTypes ? endpoint.eventTypes.join(", ") : "all"),
      ...(endpoint.channels ? field("Channels", endpoint.channels.join(", ")) : []),
      ...(endpoint.poll ? [] : field("Last 28 days", h("span", { className: "numbers" }, standing(stats)))),
      ...(circuit.state !== "closed" && !endpoint.disabled ? field("At the moment", standsBy(circuit)) : []),
      ...field("Since", time(endpoint.createdAt)),
      ...(endpoint.poll ? [] : field("Secret", secret(ask, path))))),
    ...(endpoint.poll
      ? [h("p", { className: "empty" }, "Consumers ask for what happens; nothing is sent to this endpoint.")]
      : [h("h2", {}, "Try it"), example(ask, path, types, log), h("h2", {}, "Deliveries"), log]),
  );
  if (!endpoint.poll) await attempts(ask, id, log);
}

/** What an endpoint that does badly gets, and when the next try shows whether it is back. */
function standsBy(circuit) {
  const next = circuit.nextProbe ? [" The next try: ", time(circuit.nextProbe), "."] : [" The next message is a try."];
  if (circuit.heldUntil) return h("span", {}, "It asked for a pause, and gets nothing until ", time(circuit.heldUntil), ".");
  const less = circuit.state === "open" ? "it gets one try at a time." : "it gets less at once.";
  return h("span", {}, "Nothing but failures since ", time(circuit.since), `; ${less}`, next);
}

function field(name, value) {
  return [h("dt", {}, name), h("dd", {}, value)];
}

function actions(ask, path, endpoint, again) {
  const edit = doing(async () => {
    const form = await endpointForm(ask, "Edit the endpoint", "Save", endpoint, async (given) => {
      await ask("PATCH", path, given);
      await again();
    });
    form.showModal();
  });
  const toggle = doing(async () => {
    await ask("PATCH", path, { disabled: !endpoint.disabled });
    await again();
  });
  const remove = doing(async () => {
    if (!confirm("Delete this endpoint? What still waits for it is not sent.")) return;
    await ask("DELETE", path);
    location.hash = "";
  });
  return h("div", { className: "actions" },
    h("button", { onclick: edit }, "Edit"),
    h("button", { onclick: toggle }, endpoint.disabled ? "Enable" : "Disable"),
    h("button", { className: "danger", onclick: remove }, "Delete"));
}

function secret(ask, path) {
  const place = h("span", { className: "actions" });
  const reveal = doing(async () => {
    const { key } = await ask("GET", `${path}/secret`);
    const copy = doing(async () => {
      await navigator.clipboard.writeText(key);
      notice("The secret is in the clipboard.", "good");
    });
    place.replaceChildren(h("span", { className: "mono" }, key || "none"), h("button", { onclick: copy }, "Copy"), rotate);
  });
  const rotate = h("button", {
    onclick: doing(async () => {
      if (!confirm("Make a new secret? The old one stays valid for a day, where the format allows it.")) return;
      await ask("POST", `${path}/secret/rotate`, {});
      await reveal({ preventDefault() {}, currentTarget: rotate });
    }),
  }, "Rotate");
  place.append(h("button", { onclick: reveal }, "Show"), rotate);
  return place;
}

function example(ask, path, types, log) {
  const names = types.length ? types.map((type) => type.name) : ["svix.ping"];
  const choice = h("select", { "aria-label": "Event" }, names.map((name) => h("option", {}, name)));
  const send = doing(async () => {
    await ask("POST", `${path}/send-example`, { eventType: choice.value });
    notice("An example is on its way.", "good");
    setTimeout(() => log.querySelector("[data-refresh]")?.click(), 1_000);
  });
  return h("div", { className: "actions" }, choice, h("button", { onclick: send }, "Send an example"));
}
