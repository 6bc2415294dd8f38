// SPDX-License-Identifier: MIT OR Apache-2.0
// Finds text that is hard to read. Runs inside the page, so it uses nothing from outside itself.

/** Every text below the 4.5 to 1 that WCAG 2 (success criterion 1.4.3) asks for, with its ratio; there are `least` texts. */
export function lowContrast(least = 100) {
  const channels = (colour) => {
    const match = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/.exec(colour);
    if (!match) throw new Error(`cannot read the colour ${colour}`);
    return { rgb: match.slice(1, 4).map(Number), alpha: Number(match[4] ?? 1) };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
      if (alpha > 0) return rgb;
    }
    return [255, 255, 255];
  };

  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (texts.nextNode()) {
    const words = texts.currentNode.data.trim();
    const element = texts.currentNode.parentElement;
    if (words === "" || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const pair = [luminance(channels(colour).rgb), luminance(background(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    checked += 1;
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${words.slice(0, 60)}`);
  }
  if (checked < least) throw new Error(`only ${checked} texts were seen`);
  return found;
}
