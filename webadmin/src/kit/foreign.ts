// Foreign text on the screen. Svelte writes text as text; what is left to do is to stop characters that make it look like
// something else: controls, and the direction marks of Unicode that reorder what is around them (UTS 55 section 4.1).

const unseen = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]/g;

// clean shows each such character as a small box and cuts the text to max characters.
export function clean(text: string, max: number): string {
  const visible = text.slice(0, max * 2).replace(/\s*[\r\n\t]+\s*/g, ' ').replace(unseen, '\u25a1');
  const characters = Array.from(visible);
  return characters.length > max || text.length > max * 2 ? characters.slice(0, max - 1).join('') + '…' : visible;
}
