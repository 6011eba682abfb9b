/** All attacks, in the order in which a connection gets further. */
import type { Attack } from './attack.js';
import { blipAttacks } from './blip-attacks.js';
import { frameAttacks } from './frame-attacks.js';
import { halfHandshakes } from './half-handshakes.js';
import { messageAttacks } from './message-attacks.js';
import { refusedRequests } from './refused-requests.js';

export const attacks: readonly Attack[] = [
  ...halfHandshakes,
  ...refusedRequests,
  ...frameAttacks,
  ...blipAttacks,
  ...messageAttacks,
];
