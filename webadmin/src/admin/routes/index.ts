import type { Route } from '$kit/router.svelte';
import { deliverability } from './deliverability';
import { domains } from './domains';
import { mail } from './mail';
import { overview } from './overview';
import { people } from './people';
import { security } from './security';
import { system } from './system';

// The pages of the console, by group. A group is shown in the rail when it has pages.
export const groups = { overview, mail, domains, people, deliverability, security, system };

export const routes: Route[] = Object.values(groups).flat();
