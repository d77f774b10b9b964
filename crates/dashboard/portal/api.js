// The API, with the token that the link carries.

/** What the API refused, in its words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const KEPT = "postrider-portal";

/** Takes the key out of the address, where it would be seen, and keeps it for this tab. */
export function takeKey() {
  const address = new URLSearchParams(location.hash.slice(1));
  const given = address.get("key");
  if (given) {
    // A `+` of base64 comes out of the address as a space.
    sessionStorage.setItem(KEPT, atob(given.replaceAll(" ", "+")));
    address.delete("key");
    history.replaceState(null, "", `${location.pathname}${address.size ? `#${address}` : ""}`);
  }
  const kept = sessionStorage.getItem(KEPT);
  if (!kept) throw new Refused(401, "This page opens by a link that carries a key. Ask for one where you came from.");
  return JSON.parse(kept);
}

function message(status, body) {
  if (status === 401) return "This link has ended. Ask for a new one where you came from.";
  if (Array.isArray(body?.detail)) {
    return body.detail.map((problem) => `${problem.loc.slice(1).join(".")}: ${problem.msg}`).join("\n");
  }
  return body?.detail ?? `The server answered ${status}.`;
}

/** Asks the API of the link's application. */
export function api({ appId, token }) {
  return async (method, path, body) => {
    const url = path.startsWith("/api/") ? path : `/api/v1/app/${encodeURIComponent(appId)}${path}`;
    const headers = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    const response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await response.text();
    const answer = text ? JSON.parse(text) : null;
    if (!response.ok) throw new Refused(response.status, message(response.status, answer));
    return answer;
  };
}
