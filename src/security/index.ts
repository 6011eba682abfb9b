/** The door of this room: who somebody is, how that is proved, and whom to believe. */
export { anonymousIdentity, renewalDueAt, type AnonymousIdentityOptions } from './anonymous-identity.js';
export {
  BasicAuthenticator,
  ClientCertificateAuthenticator,
  SessionAuthenticator,
  type ClientAuthenticator,
  type ClientCredentials,
} from './client-authenticators.js';
export type { CreateIdentityOptions, IdentityAttributes, IdentityKeyType } from './create-identity.js';
export type { EncodedCertificates, EncodedIdentity, TLSIdentityParts } from './identity-encoding.js';
export { checkKeyUsage, type KeyUse } from './key-usage.js';
export {
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  type Authentication,
  type CertificateCallback,
  type ListenerAuthenticator,
  type PasswordCallback,
  type ShownCredentials,
} from './listener-authenticators.js';
export { KeyStore, type KeyStoreOptions } from './key-store.js';
export type { PeerIdentity } from './peer-identity.js';
export { secretsEqual } from './secret-digests.js';
export { judgeServer, type ServerTrust, type ServerTrustPolicy, type ShownServer } from './server-trust.js';
export { clientTlsOptions, peerChain, serverTlsOptions, type PeerChain } from './tls-options.js';
export { TLSIdentity } from './tls-identity.js';
export { TrustOnFirstUse } from './trust-on-first-use.js';
