// Elements made of text nodes. Names and labels may hold anything, so nothing here ever parses text.

/** An element: properties by `.name`, listeners by `onname`, attributes otherwise; `null` and `false` are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) element[name.slice(1)] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets text only when it differs: a screen reader is not told the same thing twice, and the layout stays. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A number and its unit, which is set in a quieter colour. */
export function setQuantity(element, [number, unit]) {
  if (element.childNodes.length !== 2) {
    element.replaceChildren(document.createTextNode(""), h("span", { class: "unit" }));
  }
  const [text, quiet] = element.childNodes;
  if (text.data !== number) text.data = number;
  const gap = unit ? `\u202f${unit}` : "";
  if (quiet.textContent !== gap) quiet.textContent = gap;
}

let colours = new Map();

/** What a colour of the style sheet is now, light or dark. */
export function colour(name) {
  if (!colours.has(name)) {
    const probe = document.getElementById("probe");
    probe.style.color = `var(--${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}

/** The same colour, let through. */
export function faint(name, alpha) {
  return colour(name).replace(/^rgba?\(([^,]+),([^,]+),([^,)]+).*\)$/, `rgba($1,$2,$3, ${alpha})`);
}

/** After a change between light and dark. */
export function forgetColours() {
  colours = new Map();
}

/** Makes a canvas as sharp as the screen, and clears it. `null` when it has no size. */
export function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0 || height === 0) return null;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
