import type { Component } from 'svelte';
import { matchPattern } from './match';

// A router over the history API: paths choose a page, the query string holds what the page shows (filters, tabs).

export interface Route {
  pattern: string;
  title: () => string;
  load: () => Promise<{ default: Component<any> }>;
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

export function match(routes: Route[], path: string): Match | undefined {
  for (const route of routes) {
    const params = matchPattern(route.pattern, path);
    if (params) return { route, params };
  }
  return undefined;
}

// href builds a path from literal text and values: href`/admin/people/${address}`.
export function href(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return parts.reduce((path, part, i) => path + encodeURIComponent(String(values[i - 1])) + part);
}

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));
  // The number of page changes; a page's focus handling watches it.
  moves = $state(0);

  #base = '/';

  // start follows links below base without loading the document again. It returns what stops it.
  start(base: string): () => void {
    this.#base = base;
    const onClick = (event: MouseEvent) => this.#click(event);
    const onPop = () => this.#read(true);
    document.addEventListener('click', onClick);
    window.addEventListener('popstate', onPop);
    return () => {
      document.removeEventListener('click', onClick);
      window.removeEventListener('popstate', onPop);
    };
  }

  go(url: string, how: { replace?: boolean } = {}): void {
    const target = new URL(url, location.href);
    if (target.origin !== location.origin || !target.pathname.startsWith(this.#base)) {
      location.assign(target);
      return;
    }
    const samePath = target.pathname === location.pathname;
    if (how.replace) history.replaceState(null, '', target);
    else if (target.href !== location.href) history.pushState(null, '', target);
    this.#read(!samePath);
  }

  get(name: string): string {
    return this.query.get(name) ?? '';
  }

  // set changes parts of the query; an empty value takes its name away. The page stays.
  set(changes: Record<string, string | undefined>, how: { replace?: boolean } = { replace: true }): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    const text = query.toString();
    this.go(location.pathname + (text ? `?${text}` : ''), how);
  }

  #read(moved: boolean): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
    if (moved) this.moves++;
  }

  #click(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest('a');
    if (!link?.href || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(this.#base)) return;
    if (url.pathname === location.pathname && url.search === location.search && url.hash) return;
    event.preventDefault();
    this.go(link.href);
  }
}

export const router = new Router();
