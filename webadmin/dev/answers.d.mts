import type { Check } from '../src/api/types';

export const checks: Check[];
