/**
 * What every storage must do, whatever driver is below it: one call of {@link storageConformance} a driver. It uses the
 * contract in src/storage/storage.ts, and bytes of the database file where that is damaged on purpose.
 */
import { describe } from 'node:test';
import { collectionCases } from './storage-collections.conformance.js';
import { documentCases } from './storage-documents.conformance.js';
import { faultCases } from './storage-faults.conformance.js';
import { feedCases } from './storage-feed.conformance.js';
import type { OpenStorage } from './storage-fixtures.js';
import { logCases } from './storage-log.conformance.js';
import { lifecycleCases } from './storage-lifecycle.conformance.js';
import { transactionCases } from './storage-transactions.conformance.js';

export type { OpenStorage } from './storage-fixtures.js';

export function storageConformance(name: string, open: OpenStorage): void {
  describe(`storage on ${name}: life cycle`, () => lifecycleCases(open));
  describe(`storage on ${name}: collections and records`, () => collectionCases(open));
  describe(`storage on ${name}: documents`, () => documentCases(open));
  describe(`storage on ${name}: feed`, () => feedCases(open));
  describe(`storage on ${name}: transactions`, () => transactionCases(open));
  describe(`storage on ${name}: length of the log`, () => logCases(open));
  describe(`storage on ${name}: faults`, () => faultCases(open));
}
