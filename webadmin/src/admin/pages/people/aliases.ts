import type { Schemas } from '$api/types';
import { tn } from '$kit/i18n';

type Alias = Schemas['Alias'];

// kindOf says what an alias is: one address that leads to one other, or to many.
export const kindOf = (alias: Alias): string => (alias.targets.length > 1 ? tn(alias.targets.length, 'Group of {n}', 'Group of {n}') : 'Alias');

// sameTargets says whether an alias leads to the addresses wanted already. Addresses are the same in any case and order.
export function sameTargets(now: string[], wanted: string[]): boolean {
  const set = (list: string[]) => [...new Set(list.map((address) => address.toLowerCase()))].sort().join('\n');
  return set(now) === set(wanted);
}
