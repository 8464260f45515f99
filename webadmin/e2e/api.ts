import type { Page } from '@playwright/test';

/** Calls the API from inside a page, as its scripts do: with its cookie and from its origin. */
export function call(page: Page, method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
  return page.evaluate(
    async ({ method, path, body }) => {
      const answer = await fetch('/api/v1' + path, {
        method,
        ...(body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {}),
      });
      const text = await answer.text();
      return { status: answer.status, body: text && /json/.test(answer.headers.get('Content-Type') ?? '') ? JSON.parse(text) : text };
    },
    { method, path, body },
  );
}

/** Is call for what has to work: it returns the body. */
export async function must(page: Page, method: string, path: string, body?: object): Promise<any> {
  const answer = await call(page, method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
