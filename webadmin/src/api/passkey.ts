import { api } from './client';

// Passkeys (WebAuthn level 3). The browser's own JSON forms do the conversion of binary fields.

export const passkeyAvailable = (): boolean => typeof PublicKeyCredential !== 'undefined' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;

export interface Assertion {
  ticket: string;
  credential: PublicKeyCredentialJSON;
}

// signWithPasskey asks the browser to sign the server's challenge. Without an address any passkey of this site may be chosen.
export async function signWithPasskey(address?: string): Promise<Assertion> {
  const { publicKey, ticket } = await api.post<{ publicKey: PublicKeyCredentialRequestOptionsJSON; ticket: string }>('/session:passkey-begin', {
    ...(address ? { address } : {}),
  });
  const credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
  if (!(credential instanceof PublicKeyCredential)) throw new Error('No passkey was chosen.');
  return { ticket, credential: credential.toJSON() };
}

// createPasskey makes a new passkey from the server's options (POST /me/passkeys:begin).
export async function createPasskey(options: PublicKeyCredentialCreationOptionsJSON): Promise<PublicKeyCredentialJSON> {
  const credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  if (!(credential instanceof PublicKeyCredential)) throw new Error('No passkey was made.');
  return credential.toJSON();
}
