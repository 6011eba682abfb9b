/** Attackers who say what a listener must not take: before TLS, in TLS, in HTTP, and with passwords that are none. */
import type { Attack, Strike } from './attack.js';
import { clientHello } from './half-handshakes.js';
import { basic, upgradeRequest } from './intruder.js';

export const refusedRequests: readonly Attack[] = [
  {
    name: 'speaks no TLS to a listener that does',
    reasons: ['TLS_HANDSHAKE_FAILED'],
    against: 'tls',
    go: (strike) =>
      tell(strike, async () => (strike.random.below(2) === 0 ? noise(strike, 400) : 'GET / HTTP/1.1\r\n\r\n'), false),
  },
  {
    name: 'spoils its ClientHello',
    reasons: ['TLS_HANDSHAKE_FAILED', 'LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    against: 'tls',
    go: (strike) => tell(strike, async () => spoil(strike, await clientHello(), 6), false),
  },
  {
    name: 'speaks no HTTP',
    reasons: ['CONNECTION_PROTOCOL_ERROR'],
    go: (strike) => tell(strike, async () => noise(strike, 2_000)),
  },
  { name: 'asks for nonsense', go: (strike) => tell(strike, async () => strike.random.pick(nonsense(strike))) },
  {
    name: 'spoils its request',
    go: (strike) => tell(strike, async () => spoil(strike, Buffer.from(upgradeRequest(strike.target)), 4)),
  },
  {
    name: 'asks for databases that there are not',
    reasons: ['REMOTE_DATABASE_NOT_FOUND'],
    go: (strike) => tell(strike, async () => upgradeRequest(strike.target, [], strike.random.pick(PATHS))),
  },
  {
    name: 'guesses passwords',
    reasons: ['AUTHENTICATION_FAILED', 'AUTHENTICATION_DELAYED'],
    against: 'password',
    count: 200,
    go: (strike) => tell(strike, async () => upgradeRequest(strike.target, [`Authorization: ${guess(strike)}`])),
  },
  {
    name: 'has no password',
    reasons: ['AUTHENTICATION_FAILED'],
    against: 'password',
    go: (strike) => tell(strike, async () => upgradeRequest(strike.target, ['Authorization:'])),
  },
  {
    name: 'has no certificate, or a wrong one',
    reasons: ['TLS_CLIENT_CERTIFICATE_REQUIRED', 'TLS_CLIENT_CERTIFICATE_REJECTED', 'AUTHENTICATION_DELAYED'],
    against: 'certificates',
    perSecond: 100,
    go: async (strike) => {
      const { target, random } = strike;
      const intruder = await strike.secure(random.pick(['none', ...(target.wrongCertificates ?? [])]));
      if (intruder === undefined) return;
      void intruder.write(upgradeRequest(target));
      await strike.outlast(intruder);
    },
  },
];

/** Says it and waits for the end. */
async function tell(strike: Strike, words: () => Promise<string | Uint8Array>, tls = true): Promise<void> {
  const intruder = await (tls ? strike.secure() : strike.connect());
  if (intruder === undefined) return;
  const status = await Promise.race([intruder.upgrade(await words()), strike.outlast(intruder)]);
  if (status === 101) return intruder.leave(true); // not spoilt enough
  await strike.outlast(intruder);
}

export function noise({ random }: Strike, length: number): Uint8Array {
  return Uint8Array.from({ length: 1 + random.below(length) }, () => random.below(256));
}

/** Some of its bytes are others. */
export function spoil({ random }: Strike, bytes: Uint8Array, most: number): Uint8Array {
  const spoilt = Uint8Array.from(bytes);
  for (let count = 1 + random.below(most); count > 0; count--) spoilt[random.below(spoilt.length)] = random.below(256);
  return spoilt;
}

function guess({ random }: Strike): string {
  const name = random.pick(['honest', 'mallory', 'admin', 'root', '', 'é', "' OR 1=1 --", 'x'.repeat(3_000)]);
  return random.pick([
    basic(name, `guess ${random.below(1_000_000)}`),
    basic(name, ''),
    basic(name, 'p'.repeat(5_000)),
    'Basic',
    'Basic !!!!',
    `Basic ${'A'.repeat(8_188)}`,
    'Bearer eyJhbGciOiJub25lIn0.e30.',
    'Negotiate',
  ]);
}

/** Requests that no upgrade is hidden in. */
function nonsense(strike: Strike): readonly string[] {
  const { target } = strike;
  const request = upgradeRequest(target);
  return [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(500)}`,
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200),
    `GET /${'a'.repeat(60_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\n${'X-Y: z\r\n'.repeat(3_000)}\r\n`,
    request.replace('GET', 'DELETE'),
    request.replace('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 99'),
    request.replace(/Sec-WebSocket-Key: .*/, 'Sec-WebSocket-Key: short'),
    request.replace(/Sec-WebSocket-Protocol: .*/, 'Sec-WebSocket-Protocol: chat'),
    request.replace(/Sec-WebSocket-Protocol: .*/, `Sec-WebSocket-Protocol: ${'a,'.repeat(4_000)}b`),
    upgradeRequest(target, ['Sec-WebSocket-Extensions: permessage-deflate; "']),
  ];
}

const PATHS = [
  '/',
  '/_all_dbs',
  '/nowhere/_blipsync',
  '/../../etc/passwd/_blipsync',
  '/%2e%2e%2f%2e%2e%2fetc%2fpasswd/_blipsync',
  '/%00/_blipsync',
  '/%ff%fe/_blipsync',
  '/%/_blipsync',
  '/__proto__/_blipsync',
  '/constructor/_blipsync',
  "/' OR 1=1 --/_blipsync".replaceAll(' ', '%20'),
  `/${'n'.repeat(10_000)}/_blipsync`,
  `/${'%41'.repeat(3_000)}/_blipsync`,
  'http://elsewhere.example/nowhere/_blipsync',
];
