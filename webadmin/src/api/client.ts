// The one door to the API: JSON in and out, problems as typed errors, and the two refusals that every page handles alike
// (signed out, re-authentication wanted) handled here.

export const base = '/api/v1';

export interface FieldError {
  location: string;
  message: string;
}

// ApiError is an application/problem+json answer (RFC 9457), or a failure to reach the server (status 0).
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly errors: FieldError[] = [],
    readonly traceId = '',
    readonly retryAfter = 0,
  ) {
    super(detail || title);
    this.name = 'ApiError';
  }

  // field is what is wrong with one field of the body, '' when nothing is. Names are as in the body: "address".
  field(name: string): string {
    return this.errors.find((e) => e.location === `body.${name}` || e.location === name)?.message ?? '';
  }

  // rest is what to say beside the form: everything, unless each error belongs to one of the fields shown.
  rest(...shown: string[]): string {
    const named = this.errors.length > 0 && this.errors.every((e) => shown.some((name) => e.location === `body.${name}` || e.location === name));
    return named ? '' : this.message;
  }
}

export interface Page<T> {
  items: T[];
  next?: string;
  total?: number;
}

// A list is sent as the name repeated; what is empty is left out.
export type Query = Record<string, string | number | boolean | string[] | undefined | null>;

export interface Options {
  query?: Query;
  body?: unknown;
  etag?: string;
  // The body is a text of this type and is sent as it is.
  contentType?: string;
  // The same key within 24 hours gives the same answer: a repeated POST does not do the thing twice.
  idempotencyKey?: string;
  signal?: AbortSignal;
}

// hooks are what the shell of the pages does on the two special refusals. reauthenticate says whether it succeeded.
export const hooks = {
  signedOut: (): void => {},
  reauthenticate: async (): Promise<boolean> => false,
  newVersion: (_version: string): void => {},
};

export function url(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '') search.append(name, String(one));
    }
  }
  const text = search.toString();
  return base + path + (text ? `?${text}` : '');
}

// path builds a resource path with encoded values: path`/accounts/${address}`.
export function path(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return parts.reduce((text, part, i) => text + encodeURIComponent(String(values[i - 1])) + part);
}

export interface Answer<T> {
  data: T;
  etag: string;
  status: number;
}

export async function request<T>(method: string, target: string, options: Options = {}): Promise<Answer<T>> {
  try {
    return await attempt<T>(method, target, options);
  } catch (err) {
    if (!(err instanceof ApiError)) throw err;
    if (err.code === 'signed-out') hooks.signedOut();
    if (err.code === 'reauth-required' && (await hooks.reauthenticate())) return attempt<T>(method, target, options);
    throw err;
  }
}

async function attempt<T>(method: string, target: string, options: Options): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = options.contentType ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json');
  if (options.etag) headers['If-Match'] = options.etag;
  if (options.idempotencyKey) headers['Idempotency-Key'] = options.idempotencyKey;
  let response: Response;
  try {
    response = await fetch(url(target, options.query), {
      method,
      headers,
      body: options.contentType ? String(options.body) : options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: 'same-origin',
    });
  } catch (err) {
    if (options.signal?.aborted) throw err;
    throw new ApiError(0, 'unreachable', 'No connection', 'The server does not answer. Check the connection and try again.');
  }
  noteVersion(response.headers.get('X-App-Version'));
  if (!response.ok) throw await problem(response);
  return { data: (await readBody(response)) as T, etag: response.headers.get('ETag') ?? '', status: response.status };
}

async function readBody(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  const type = response.headers.get('Content-Type') ?? '';
  if (type.includes('gzip')) return response.blob();
  return type.includes('json') ? response.json() : response.text();
}

export async function problem(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  let body: Partial<{ code: string; title: string; detail: string; errors: FieldError[]; traceId: string }> = {};
  try {
    body = await response.json();
  } catch {
    // Not a problem document: the status has to do.
  }
  return new ApiError(
    response.status,
    body.code ?? `http-${response.status}`,
    body.title ?? `Error ${response.status}`,
    body.detail ?? '',
    body.errors ?? [],
    body.traceId ?? '',
    retryAfter,
  );
}

let firstVersion = '';

// The pages and the program they talk to are one; a changed version means that these pages are old.
function noteVersion(version: string | null): void {
  if (!version) return;
  if (!firstVersion) firstVersion = version;
  else if (version !== firstVersion) hooks.newVersion(version);
}

const data = <T>(answer: Promise<Answer<T>>): Promise<T> => answer.then((a) => a.data);

export const api = {
  get: <T>(target: string, query?: Query, signal?: AbortSignal) => data(request<T>('GET', target, { query, signal })),
  post: <T>(target: string, body: unknown = {}, options: Options = {}) => data(request<T>('POST', target, { ...options, body })),
  put: <T>(target: string, body: unknown, options: Options = {}) => data(request<T>('PUT', target, { ...options, body })),
  patch: <T>(target: string, body: unknown, options: Options = {}) => data(request<T>('PATCH', target, { ...options, body })),
  delete: <T>(target: string, options: Options = {}) => data(request<T>('DELETE', target, options)),
};

// says turns whatever was thrown into words for the screen.
export function says(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
