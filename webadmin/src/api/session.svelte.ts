import { api, hooks } from './client';
import type { Role, Session } from './types';

// Who is signed in. The pages ask once at their start; the server decides again with every call.
class SessionState {
  current = $state.raw<Session>();

  async load(): Promise<Session> {
    return (this.current = await api.get<Session>('/session'));
  }

  get role(): Role {
    return this.current?.account?.role ?? 'user';
  }

  // may says whether to show an act at all. It only hides: the server refuses by itself.
  may(right: Right): boolean {
    return rights[right].includes(this.role);
  }

  async signOut(): Promise<void> {
    await api.delete('/session');
    location.assign('/account/');
  }
}

export type Right = 'see' | 'operate' | 'people' | 'domains' | 'settings' | 'audit' | 'owner';

const rights: Record<Right, Role[]> = {
  see: ['owner', 'admin', 'domain-admin', 'support'],
  operate: ['owner', 'admin'],
  people: ['owner', 'admin', 'domain-admin'],
  domains: ['owner', 'admin'],
  settings: ['owner', 'admin'],
  audit: ['owner', 'admin', 'domain-admin'],
  owner: ['owner'],
};

export const session = new SessionState();

// signInPath is where to sign in and come back from.
export function signInPath(): string {
  const here = location.pathname + location.search;
  return `/account/sign-in?next=${encodeURIComponent(here)}`;
}

hooks.signedOut = () => location.assign(signInPath());
