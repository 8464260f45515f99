import type { Role } from '$api/types';
import { t } from '$kit/i18n';

// roleHint says what a role is for, in a sentence.
export function roleHint(role: Role): string {
  switch (role) {
    case 'owner':
      return t('May do everything, also give roles. There is always at least one.');
    case 'admin':
      return t('Runs the server: domains, people, queue, settings, keys.');
    case 'domain-admin':
      return t('Manages the people of certain domains, and sees their mail flow.');
    case 'support':
      return t('Sees mail flow, queue and people to help others; changes nothing and reads no mail.');
    default:
      return t('Has mail, and the pages of their own account.');
  }
}
