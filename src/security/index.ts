/** The door of this room: who somebody is, how that is proved, and whom to believe. */
export { anonymousIdentity, type AnonymousIdentityOptions } from './anonymous-identity.js';
export {
  BasicAuthenticator,
  ListenerPasswordAuthenticator,
  type Authentication,
  type ClientAuthenticator,
  type ListenerAuthenticator,
  type PasswordCallback,
} from './authenticators.js';
export { checkServerCertificate, type ServerTrust } from './server-trust.js';
export { TLSIdentity, type TLSIdentityParts } from './tls-identity.js';
