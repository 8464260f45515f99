import { t } from '$kit/i18n';

// Rights of roles, which are also the scopes of API keys, in words. What is new to these pages is shown by its name.
const words: Record<string, string> = {
  me: t('use the own account'),
  'flow:read': t('see mail flow, queue, checks and deliverability'),
  'queue:write': t('retry, hold and cancel in the queue'),
  'domains:read': t('see domains'),
  'domains:write': t('change domains and their keys'),
  'domains:add': t('add and remove domains'),
  'people:read': t('see people, groups and aliases'),
  'people:write': t('add, change and remove people'),
  'sign-ins:read': t('see sign-ins and bans'),
  'sign-ins:write': t('lift bans'),
  system: t('change settings, certificates and API keys'),
  'audit:read': t('see the audit log'),
  'roles:write': t('give roles'),
  metrics: t('read metrics'),
  webhooks: t('see and make webhooks'),
};

export const rightWord = (right: string): string => words[right] ?? right;
