// All endpoints of the application, and the form for one.

import { doing, h, notice, pill, show } from "./dom.js";

/** Every page of a listing, up to what a person looks through. */
export async function all(ask, path) {
  const rows = [];
  let iterator = "";
  for (let page = 0; page < 8; page++) {
    const answer = await ask("GET", `${path}?limit=250${iterator && `&iterator=${encodeURIComponent(iterator)}`}`);
    rows.push(...answer.data);
    if (answer.done) break;
    iterator = answer.iterator;
  }
  return rows;
}

export async function endpointsPage(ask) {
  const [app, endpoints] = await Promise.all([ask("GET", ""), all(ask, "/endpoint")]);
  document.title = `Webhooks · ${app.name}`;
  const add = doing(async () => {
    const form = await endpointForm(ask, "Add an endpoint", "Add", {}, async (given) => {
      const made = await ask("POST", "/endpoint", given);
      location.hash = `endpoint=${made.id}`;
    });
    form.showModal();
  });
  show(
    h("header", {}, h("h1", {}, "Webhooks"), h("span", { className: "soft" }, app.name),
      h("div", { className: "actions" }, h("button", { className: "main", onclick: add }, "Add endpoint"))),
    endpoints.length
      ? h("ul", { className: "rows card" }, endpoints.map((endpoint) => row(ask, endpoint)))
      : h("p", { className: "empty" }, "No endpoints yet. Add the URL at which you want to be told what happens."),
  );
}

function row(ask, endpoint) {
  const numbers = h("span", { className: "numbers small soft" });
  const place = h("span", {}, state(endpoint));
  // Nothing is sent to one that is pulled.
  if (!endpoint.poll) {
    ask("GET", `/endpoint/${endpoint.id}/stats`)
      .then((stats) => numbers.append(...standing(stats)))
      .catch((error) => notice(error.message));
    ask("GET", `/endpoint/${endpoint.id}/circuit`)
      .then((circuit) => place.replaceChildren(state(endpoint, circuit)))
      .catch((error) => notice(error.message));
  }
  const open = () => (location.hash = `endpoint=${endpoint.id}`);
  return h("li", {}, h("button", { className: "row", onclick: open },
    h("span", { className: "wide" }, h("span", { className: "mono" }, nameOf(endpoint)),
      endpoint.description && h("span", { className: "small soft" }, endpoint.description)),
    numbers, place));
}

/** Deliveries of the last four weeks. */
export function standing(stats) {
  const failed = stats.fail + stats.canceled;
  return [`${stats.success} delivered`, stats.pending && `${stats.pending} waiting`, failed && `${failed} failed`]
    .filter(Boolean)
    .map((text) => h("span", {}, text));
}

/** What it is called: one that is pulled has no URL. */
export function nameOf(endpoint) {
  return endpoint.url || endpoint.uid || "Pulled by consumers";
}

/** Whether it gets what happens; without its circuit, whether it would. */
export function state(endpoint, circuit) {
  if (endpoint.disabled) return pill("disabled", "bad");
  if (circuit?.state === "open") return pill("failing", "bad");
  return circuit?.state === "slowed" ? pill("slowed", "open") : pill("active", "good");
}

/** A dialog with what can be chosen of an endpoint; `save` gets it. */
export async function endpointForm(ask, title, verb, endpoint, save) {
  const known = (await all(ask, "/api/v1/event-type")).map((type) => type.name);
  const chosen = new Set(endpoint.eventTypes ?? []);
  const names = [...new Set([...known, ...chosen])];
  const url = h("input", { type: "url", required: !endpoint.poll, placeholder: "https://example.com/webhooks", value: endpoint.url ?? "" });
  const description = h("input", { type: "text", value: endpoint.description ?? "" });
  const boxes = names.map((name) => h("input", { type: "checkbox", value: name, checked: chosen.has(name) }));
  const problem = h("p", { className: "notice bad", hidden: true });
  const dialog = h("dialog", { onclose: () => dialog.remove() });
  const submit = async (event) => {
    event.preventDefault();
    event.submitter.disabled = true;
    problem.hidden = true;
    const selected = boxes.filter((box) => box.checked).map((box) => box.value);
    const eventTypes = selected.length > 0 ? selected : null;
    try {
      await save({ ...(endpoint.poll ? {} : { url: url.value }), description: description.value, eventTypes });
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      event.submitter.disabled = false;
    }
  };
  dialog.append(h("h2", {}, title), h("form", { onsubmit: submit }, problem,
    !endpoint.poll && h("label", {}, h("span", {}, "URL"), url),
    h("label", {}, h("span", {}, "Description"), description),
    names.length > 0 && h("fieldset", {}, h("legend", {}, "Events"),
      h("p", { className: "small soft" }, "Choose none to get all of them."),
      boxes.map((box) => h("label", {}, box, ` ${box.value}`))),
    h("div", { className: "actions" }, h("button", { className: "main" }, verb),
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  document.body.append(dialog);
  return dialog;
}
