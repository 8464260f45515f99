// A quota as people type it: "10 GB", "500 mb", "1.5" (GB). Units are of 1000, as the pages show them.
const units: Record<string, number> = { '': 1e9, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

// parseQuota is the size in bytes, 0 for none, undefined for what is no size.
export function parseQuota(text: string): number | undefined {
  const clean = text.trim();
  if (!clean) return 0;
  const found = /^(\d+(?:[.,]\d+)?)\s*([kmgt]?b)?$/i.exec(clean);
  if (!found) return undefined;
  const size = Number(found[1]!.replace(',', '.')) * units[(found[2] ?? '').toUpperCase()]!;
  return Number.isSafeInteger(Math.round(size)) ? Math.round(size) : undefined;
}

// quotaText writes a quota so that parseQuota reads the same: '' for none.
export function quotaText(bytes: number): string {
  if (!bytes) return '';
  const unit = ['TB', 'GB', 'MB', 'KB'].find((name) => bytes >= units[name]! && bytes % (units[name]! / 1000) === 0) ?? 'B';
  return `${bytes / units[unit]!} ${unit}`;
}
