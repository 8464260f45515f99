// matchPattern reads the parameters of a path, undefined when the path is not of the pattern: literal segments, ":name"
// for any one segment, ":name?" for a last one that may be missing.
export function matchPattern(pattern: string, path: string): Record<string, string> | undefined {
  const want = split(pattern);
  const have = split(path);
  if (have.length > want.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, segment] of want.entries()) {
    const value = have[i];
    if (segment.startsWith(':')) {
      if (value !== undefined) params[segment.slice(1).replace('?', '')] = value;
      else if (!segment.endsWith('?')) return undefined;
    } else if (segment !== value) return undefined;
  }
  return params;
}

function split(path: string): string[] {
  return path.split('/').filter(Boolean).map(decode);
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
