// What was sent to an endpoint, and what came back.

import { doing, h, notice, pill, time } from "./dom.js";

const CHOICES = [["All", ""], ["Delivered", "&status=0"], ["Failed", "&status=2"]];

/** The list, in this place. */
export async function attempts(ask, endpoint, place) {
  const filter = h("select", { "aria-label": "Which" }, CHOICES.map(([name, value]) => h("option", { value }, name)));
  const rows = h("ul", { className: "rows card" });
  const none = h("p", { className: "empty", hidden: true }, "Nothing has been sent here yet.");
  const more = h("button", { hidden: true }, "Show more");
  let iterator = "";
  const load = async () => {
    const from = iterator && `&iterator=${encodeURIComponent(iterator)}`;
    const page = await ask("GET", `/attempt/endpoint/${encodeURIComponent(endpoint)}?limit=25&with_msg=true${filter.value}${from}`);
    rows.append(...page.data.map((attempt) => row(ask, attempt)));
    iterator = page.iterator ?? "";
    more.hidden = page.done;
    none.hidden = rows.childElementCount > 0;
    rows.hidden = !none.hidden;
  };
  const again = async () => {
    iterator = "";
    rows.replaceChildren();
    await load();
  };
  filter.addEventListener("change", doing(again));
  more.addEventListener("click", doing(load));
  const refresh = h("button", { "data-refresh": "", onclick: doing(again) }, "Refresh");
  place.replaceChildren(h("div", { className: "actions" }, filter, refresh), h("p", {}), rows, none, more);
  await load();
}

function row(ask, attempt) {
  const good = attempt.status === 0;
  const inside = h("div", { className: "inside" });
  const details = h("details", { ontoggle: () => details.open && !inside.hasChildNodes() && inside.append(...content(ask, attempt)) },
    h("summary", {},
      pill(good ? "delivered" : "failed", good ? "good" : "bad"),
      h("span", { className: "mono" }, attempt.msg?.eventType ?? attempt.msgId),
      h("span", { className: "small soft" }, attempt.responseStatusCode ? `HTTP ${attempt.responseStatusCode}` : attempt.error?.code ?? ""),
      h("span", { className: "small soft" }, `${attempt.responseDurationMs} ms`),
      time(attempt.timestamp)),
    inside);
  return h("li", {}, details);
}

function content(ask, attempt) {
  const resend = doing(async () => {
    await ask("POST", `/msg/${attempt.msgId}/endpoint/${attempt.endpointId}/resend`, {});
    notice("It is being sent again; refresh to see how that went.", "good");
  });
  return [
    h("p", { className: "small soft" }, `${attempt.msgId} · ${attempt.triggerType === 1 ? "sent by hand" : "sent by schedule"}`),
    attempt.error && h("p", {}, attempt.error.message),
    h("div", { className: "soft small" }, "Payload"), h("pre", {}, JSON.stringify(attempt.msg?.payload ?? {}, null, 2)),
    h("div", { className: "soft small" }, "Response"), h("pre", {}, attempt.response || "(empty)"),
    h("button", { onclick: resend }, "Send again"),
  ].filter(Boolean);
}
