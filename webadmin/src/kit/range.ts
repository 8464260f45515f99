// bounds turns what a DateRange holds into the from and to of an API call.
export function bounds(value: string, now = Date.now()): { from?: string; to?: string } {
  const span = /^(\d+)([hd])$/.exec(value);
  if (span) {
    const milliseconds = Number(span[1]) * (span[2] === 'h' ? 3600_000 : 86_400_000);
    return { from: new Date(now - milliseconds).toISOString() };
  }
  const [first, last] = value.split('..');
  if (!first || !last) return {};
  const end = new Date(`${last}T00:00:00`);
  end.setDate(end.getDate() + 1); // the last day counts whole
  return { from: new Date(`${first}T00:00:00`).toISOString(), to: end.toISOString() };
}
