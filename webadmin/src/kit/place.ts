// place puts a popover beside its button, inside the window: below if there is room, else above. It is set by script
// on the element itself, which the content security policy allows.
export function place(popover: HTMLElement, anchor: Element, align: 'start' | 'end' | 'middle' = 'start', gap = 4): void {
  const a = anchor.getBoundingClientRect();
  const p = popover.getBoundingClientRect();
  const below = a.bottom + gap + p.height <= innerHeight - 8 || a.top - gap - p.height < 8;
  const top = below ? a.bottom + gap : a.top - gap - p.height;
  const left = align === 'start' ? a.left : align === 'end' ? a.right - p.width : a.left + (a.width - p.width) / 2;
  popover.style.top = `${Math.max(8, top)}px`;
  popover.style.left = `${Math.max(8, Math.min(left, innerWidth - p.width - 8))}px`;
}
