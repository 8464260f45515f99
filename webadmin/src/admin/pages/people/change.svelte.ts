import { Action } from '$api/action.svelte';
import { api, path } from '$api/client';
import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';
import { toasts } from '$kit/toast.svelte';

type Change = Schemas['AccountChange'];

// changing is the Action that changes an account, says so, and offers the way back where `before` is given.
export function changing(address: () => string, ondone: () => void): Action<[to: Change, text: string, before?: Change], void> {
  const action: Action<[Change, string, Change?], void> = new Action(async (to: Change, text: string, before?: Change) => {
    await api.patch(path`/accounts/${address()}`, to);
    toasts.done(text, before && { label: t('Undo'), run: () => void action.run(before, t('It is as it was.')) });
    ondone();
  });
  return action;
}
