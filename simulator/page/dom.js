// Small means to build elements; text is always set as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text nodes, null children are left out. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") made.style.cssText = value;
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const shown = new WeakMap();

/** Replace a list's content only if its data changed, so that focus and scroll position survive polling. */
export function renderIfChanged(container, data, build) {
  const key = JSON.stringify(data);
  if (shown.get(container) === key) return false;
  shown.set(container, key);
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...build(data));
  if (focused !== undefined) [...container.querySelectorAll("[data-key]")].find((e) => e.dataset.key === focused)?.focus();
  return true;
}

/** A round face with initials; its colour comes from the name. */
export function face(name) {
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  const initials = /^\d+$/.test(name) ? name.slice(-2) : name.trim().slice(0, 2).toUpperCase();
  return element("span", { class: "face", style: `--hue:${hue}`, "aria-hidden": "true" }, initials);
}
