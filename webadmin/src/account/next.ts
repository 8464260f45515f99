// nextPath is where to go after signing in: a path of this site that the link asked for, else the pages of the person.
// Anything that could lead elsewhere ("//evil.example", "/\evil.example") is not followed.
export function nextPath(asked: string, fallback: string, origin: string): string {
  if (!asked.startsWith('/') || asked.startsWith('//') || asked.includes('\\')) return fallback;
  try {
    const url = new URL(asked, origin);
    return url.origin === origin ? url.pathname + url.search + url.hash : fallback;
  } catch {
    return fallback;
  }
}
