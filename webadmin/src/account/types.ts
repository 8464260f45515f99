// What the API says of one's own account.

export interface Me {
  address: string;
  name?: string;
  role: string;
  aliases?: string[];
  forward?: string[];
  keepCopy?: boolean;
  appPasswordsOnly?: boolean;
  quotaBytes: number;
  quotaMessages: number;
  usage?: { bytes: number; messages: number };
  passwordSet: boolean;
  totp: boolean;
  passkeys: number;
  recoveryCodes: number;
}

export type Protocol = 'imap' | 'pop3' | 'smtp';

export interface AppPassword {
  id: string;
  label: string;
  protocols: Protocol[];
  created: string;
  expires?: string;
  lastUsed?: string;
  lastIp?: string;
  lastProtocol?: string;
  // Only in the answer to its making.
  password?: string;
}

export interface Device {
  client?: string;
  label?: string;
  appPasswordId?: string;
  protocol: string;
  ip?: string;
  firstSeen: string;
  lastSeen: string;
  logins: number;
}

export interface Passkey {
  id: string;
  label: string;
  host: string;
  synced: boolean;
  created: string;
  lastUsed?: string;
}

export interface WebSession {
  id: string;
  current: boolean;
  created: string;
  lastSeen: string;
  ip: string;
  userAgent: string;
  method: string;
}

export interface Login {
  id: string;
  time: string;
  last: string;
  count: number;
  ok: boolean;
  login: string;
  protocol: string;
  ip?: string;
  client?: string;
  appPassword?: string;
  method?: string;
  reason?: string;
}
