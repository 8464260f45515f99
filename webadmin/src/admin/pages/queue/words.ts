import type { QueueGroup } from '$api/types';
import { t } from '$kit/i18n';

// causeWords is the heading of a group. The server explains what it knows; what it has no words for is shown as it is.
export function causeWords(group: QueueGroup): { title: string; explain: string } {
  if (group.title) return { title: group.title, explain: group.explain ?? '' };
  if (group.state === 'held') return { title: t('Held'), explain: t('These wait until someone releases them.') };
  if (!group.cause) return { title: t('Waiting for the first try'), explain: '' };
  return { title: group.cause, explain: group.explain ?? '' };
}

export function stateWord(state: string): string {
  switch (state) {
    case 'held':
      return t('Held');
    case 'trying':
      return t('Being tried');
    case 'waiting':
      return t('Waiting');
    case 'retry':
      return t('Will retry');
    default:
      return state;
  }
}
