// SPDX-License-Identifier: MIT OR Apache-2.0
// Draws into an SVG element in real pixels, and again whenever its width changes, so that text in
// it keeps its size on a phone.
const NAMESPACE = "http://www.w3.org/2000/svg";

export function svg(name, attributes, text = "") {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** `draw(width)` returns the elements and the height; call the result to draw again. */
export function drawing(root, draw) {
  const redraw = () => {
    const width = root.clientWidth;
    if (width === 0) return;
    const { height, elements } = draw(width);
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    root.setAttribute("height", height);
    root.replaceChildren(...elements);
  };
  new ResizeObserver(redraw).observe(root);
  return redraw;
}
