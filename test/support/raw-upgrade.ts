/** An upgrade request as a stranger makes it, over TCP or TLS, with all that Node lets one say in TLS. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { deferred } from '../../src/base/index.js';

export interface RawUpgrade {
  readonly path?: string;
  readonly authorization?: string;
  /** Speak TLS with these options. @default plain TCP */
  readonly tls?: ConnectionOptions;
}

export interface RawAnswer {
  readonly socket: Socket;
  /** `NaN` where the line ended without one. */
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

export const basicOf = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

/** Asks for `/vessel/_blipsync` and reads the answer: to its end, or to the end of its head if it is a 101. */
export async function upgrade(
  port: number,
  { path = '/vessel/_blipsync', authorization, tls }: RawUpgrade = {},
): Promise<RawAnswer> {
  const options = { port, host: '127.0.0.1' };
  const socket =
    tls === undefined ? connectTcp(options) : connectTls({ ...options, rejectUnauthorized: false, ...tls });
  let text = '';
  const done = deferred();
  socket.on('error', () => undefined);
  socket.on('close', () => done.resolve());
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (text.startsWith('HTTP/1.1 101') && text.includes('\r\n\r\n')) done.resolve();
  });
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: BLIP_3+CBMobile_3,BLIP_3+CBMobile_2',
    ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await done.promise;
  const [head = '', body = ''] = text.split('\r\n\r\n');
  return {
    socket,
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]),
    retryAfter: /^Retry-After: (.*)$/m.exec(head)?.[1]?.trim(),
    body,
  };
}
