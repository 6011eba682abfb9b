/** Loads the npm package ws, when the first connection is made or the first listener started and not before. */
import type { WebSocket, WebSocketServer } from 'ws';
import { loadPackage } from '../../src/index.js';

/** What is used of it. */
export interface WebSocketLibrary {
  readonly WebSocket: typeof WebSocket;
  readonly WebSocketServer: typeof WebSocketServer;
}

export function loadWebSocketLibrary(): Promise<WebSocketLibrary> {
  return loadPackage<WebSocketLibrary>('ws', () => import('ws'));
}
