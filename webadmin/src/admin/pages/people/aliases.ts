import type { Schemas } from '$api/types';
import { tn } from '$kit/i18n';

type Alias = Schemas['Alias'];

// kindOf says what an alias is: one address that leads to one other, or to many.
export const kindOf = (alias: Alias): string => (alias.targets.length > 1 ? tn(alias.targets.length, 'Group of {n}', 'Group of {n}') : 'Alias');

export interface TargetChange {
  add: string[];
  remove: string[];
}

// targetChange is what has to be done so that the targets become those wanted. Addresses are the same in any case.
export function targetChange(now: string[], wanted: string[]): TargetChange {
  const has = (list: string[], address: string) => list.some((other) => other.toLowerCase() === address.toLowerCase());
  return { add: wanted.filter((address) => !has(now, address)), remove: now.filter((address) => !has(wanted, address)) };
}
