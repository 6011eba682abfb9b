/** What the compiler accepts of a replicator's configuration and events, and what it refuses. Never run: `npm run typecheck` reads it. */
import { Replicator, type Collection, type CollectionConfiguration, type Endpoint } from '../../src/index.js';

interface Engine {
  readonly rpm: number;
}

declare const engines: Collection<Engine>;
declare const notes: Collection<{ readonly text: string }>;
declare const target: Endpoint;

export const configuration: CollectionConfiguration<Engine> = {
  collection: engines,
  pushFilter: (document, { deleted }) => deleted || document.body.rpm > 0,
  pullFilter: async (document) => Promise.resolve(document.id !== ''),
  conflictResolver: ({ localDocument, remoteDocument }) => localDocument ?? remoteDocument ?? null,
  documentIDs: ['main'],
  channels: ['a'],
};
export const replicator = new Replicator({ target, collections: [notes, configuration, { collection: notes }] });

replicator.on('documents', ({ isPush, documents }) => {
  for (const { id, scope, collection, flags, error } of documents)
    void [isPush, id, scope, collection, flags, error?.code];
  // @ts-expect-error -- events are read-only
  documents[0] = documents[1];
});
export const pending: Promise<Set<string>> = replicator.pendingDocumentIDs(engines);
export const isPending: Promise<boolean> = replicator.isDocumentPending('main', engines);

// @ts-expect-error -- a target is needed
new Replicator({ collections: [engines] });
// @ts-expect-error -- a name is no collection
new Replicator({ target, collections: ['engines'] });
// @ts-expect-error -- one object with options has its collection in it
new Replicator({ target, collections: [{ pushFilter: () => true }] });
// @ts-expect-error -- a filter decides
new Replicator({ target, collections: [{ collection: engines, pushFilter: () => 'yes' }] });
// @ts-expect-error -- misspelt
new Replicator({ target, collections: [{ collection: engines, documentIds: ['main'] }] });
// @ts-expect-error -- one ID is a list of one
new Replicator({ target, collections: [{ collection: engines, documentIDs: 'main' }] });
// @ts-expect-error -- misspelt
new Replicator({ target, collections: [engines], continous: true });
// @ts-expect-error -- there is no such type
new Replicator({ target, collections: [engines], type: 'pushpull' });
// @ts-expect-error -- a switch
new Replicator({ target, collections: [engines], enableAutoPurge: 'no' });
// @ts-expect-error -- the event of a listener
replicator.on('document-problem', () => undefined);
// @ts-expect-error -- fixed once it is made
replicator.config.continuous = true;
export const wrong: CollectionConfiguration<Engine> = {
  collection: engines,
  // @ts-expect-error -- not of this document type
  pushFilter: ({ body }) => body.text === '',
};
