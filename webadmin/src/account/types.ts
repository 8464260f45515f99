import type { Schemas } from '$api/types';

// What the API says of one's own account.

export type Me = Schemas['Me'];
export type AppPassword = Schemas['AppPassword'];
export type Protocol = AppPassword['protocols'][number];
export type Device = Schemas['Device'];
export type Passkey = Schemas['Passkey'];
export type WebSession = Schemas['WebSession'];
export type Login = Schemas['Login'];
