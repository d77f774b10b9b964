// Elements, without markup in strings: whatever comes from outside is text.

/** An element with these properties and children; `on…` properties are listeners. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function pill(text, kind) {
  return h("span", { className: `pill ${kind}` }, text);
}

export function time(text) {
  return h("time", { className: "small soft", dateTime: text, title: text }, new Date(text).toLocaleString());
}

/** What went wrong or well, above the page. */
export function notice(text, kind = "bad") {
  const place = document.getElementById("notice");
  place.textContent = text;
  place.className = kind;
  place.hidden = !text;
  if (text) place.scrollIntoView({ block: "nearest" });
}

/** A listener that waits for what it does, once at a time, and shows what went wrong. */
export function doing(action) {
  return async (event) => {
    event.preventDefault();
    const button = event.submitter ?? event.currentTarget;
    button.disabled = true;
    notice("");
    try {
      await action(event);
    } catch (error) {
      notice(error.message);
    } finally {
      button.disabled = false;
    }
  };
}

export function show(...children) {
  document.getElementById("view").replaceChildren(...children);
}
