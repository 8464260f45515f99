import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const system: Route[] = [
  { pattern: '/admin/system', title: () => t('Checks'), load: () => import('../pages/system/Checks.svelte') },
  { pattern: '/admin/system/certificates', title: () => t('Certificates'), load: () => import('../pages/system/Certificates.svelte') },
  { pattern: '/admin/system/storage', title: () => t('Storage'), load: () => import('../pages/system/Storage.svelte') },
  { pattern: '/admin/system/backups', title: () => t('Backups'), load: () => import('../pages/system/Backups.svelte') },
  { pattern: '/admin/system/backups/:backup/:account', title: () => t('Mail of a backup'), load: () => import('../pages/system/BackupAccount.svelte') },
  { pattern: '/admin/system/imports', title: () => t('Imports'), load: () => import('../pages/system/Imports.svelte') },
  { pattern: '/admin/system/alerts', title: () => t('Alerts'), load: () => import('../pages/system/Alerts.svelte') },
  { pattern: '/admin/system/webhooks', title: () => t('Webhooks'), load: () => import('../pages/system/Webhooks.svelte') },
  { pattern: '/admin/system/logs', title: () => t('Logs'), load: () => import('../pages/system/Logs.svelte') },
  { pattern: '/admin/system/updates', title: () => t('Updates'), load: () => import('../pages/system/Updates.svelte') },
  { pattern: '/admin/system/about', title: () => t('About this server'), load: () => import('../pages/system/About.svelte') },
  { pattern: '/admin/system/settings/:name?', title: () => t('Settings'), load: () => import('../pages/system/Settings.svelte') },
];
