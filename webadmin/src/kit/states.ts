import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleQuestionMark from '@lucide/svelte/icons/circle-question-mark';
import Info from '@lucide/svelte/icons/info';
import OctagonAlert from '@lucide/svelte/icons/octagon-alert';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';

// Each state has a colour, an icon of its own shape, and a word.
export type StateName = 'ok' | 'warn' | 'fail' | 'info' | 'unknown';

export const icons = { ok: CircleCheck, warn: TriangleAlert, fail: OctagonAlert, info: Info, unknown: CircleQuestionMark };
