// bars sums values into at most count bars of equal spans of time; a span of which nothing is known is null.
export function bars(values: (number | null | undefined)[], count: number): (number | null)[] {
  const size = Math.max(1, Math.ceil(values.length / count));
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
    const known = values.slice(i * size, (i + 1) * size).filter((value) => value !== null && value !== undefined);
    return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
  });
}
