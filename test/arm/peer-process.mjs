/**
 * One peer of a replication that runs the built package through its public names, on whatever processor it is started: told over IPC
 * what to do, and to be killed at any moment. Each message has a number and a command, and is answered with that number. Plain
 * JavaScript, since nothing compiles it there.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { BasicAuthenticator, Blob, Database, ListenerPasswordAuthenticator, Replicator, silentLogger } from 'hawser';
import { MqttEndpoint, MqttEndpointListener } from 'hawser/mqtt';
import { SerialEndpoint, SerialEndpointListener } from 'hawser/serial';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';

const USER = 'pump';
const PASSWORD = 'not a secret';

const MEDIA = {
  wss: { Listener: URLEndpointListener, endpointTo: ({ url }) => new URLEndpoint(url) },
  mqtt: { Listener: MqttEndpointListener, endpointTo: (options) => new MqttEndpoint(options) },
  serial: { Listener: SerialEndpointListener, endpointTo: (options) => new SerialEndpoint(options) },
};

let database;
let collection;
/** What the feed of changes says of each document, since the first. */
const known = new Map();
/** Called after each change. */
const watchers = new Set();

async function followChanges() {
  for await (const { documentID, revisionID, deleted } of collection.changes()) {
    known.set(documentID, { revisionID, deleted });
    for (const watcher of watchers) watcher();
  }
}

/** Resolves when `isSo` holds; looks again after each change. */
function until(isSo) {
  return new Promise((resolve) => {
    const watcher = () => {
      if (!isSo()) return;
      watchers.delete(watcher);
      resolve({});
    };
    watchers.add(watcher);
    watcher();
  });
}

const isAsExpected = ([id, revisionID]) =>
  revisionID === null ? known.get(id)?.deleted === true : known.get(id)?.revisionID === revisionID;

const commands = {
  async open({ folder }) {
    database = await Database.open(folder, { name: 'vessel', logger: silentLogger });
    collection = await database.createCollection('metrics');
    void followChanges();
    return {
      processor: process.arch,
      version: process.version,
      driver: database.driver,
      count: await collection.count(),
    };
  },

  /** Resolves to the ID and revision of each. A body with `blob`, in base64, gets a blob in its place. */
  async save({ documents }) {
    const saved = await Promise.all(
      documents.map(([id, { blob, ...body }]) => {
        if (blob === undefined) return collection.save(id, body);
        return collection.save(id, { ...body, blob: new Blob('image/jpeg', Buffer.from(blob, 'base64')) });
      }),
    );
    return { revisions: saved.map(({ id, revisionID }) => [id, revisionID]) };
  },

  async delete({ ids }) {
    for (const id of ids) await collection.delete(id);
    return { revisions: ids.map((id) => [id, null]) };
  },

  /** Resolves when these revisions are here; null stands for a deletion. */
  until: ({ revisions }) => until(() => revisions.every(isAsExpected)),

  /** Resolves when one of these documents is here. */
  untilAny: ({ ids }) => until(() => ids.some((id) => known.has(id))),

  /** Everything that is here: documents as they are stored, contents of blobs, tombstones. */
  async contents() {
    const documents = [];
    for await (const document of collection.documents()) {
      const blob = document.body.blob && (await database.getBlob(document.body.blob));
      const digest =
        blob &&
        createHash('sha256')
          .update(await blob.content())
          .digest('hex');
      documents.push([document.id, document.revisionID, document.toJSONText(), digest ?? null]);
    }
    const tombstones = [...known].filter(([, { deleted }]) => deleted).map(([id, { revisionID }]) => [id, revisionID]);
    return { documents, tombstones: tombstones.sort() };
  },

  async listen({ medium, options }) {
    const authenticator = new ListenerPasswordAuthenticator((user, password) => user === USER && password === PASSWORD);
    const listener = new MEDIA[medium].Listener({
      collections: [collection],
      authenticator,
      enableDeltaSync: true,
      ...options,
    });
    await listener.start();
    // That of WebSockets knows its own since it was started; the others are asked.
    const identity = medium === 'wss' ? listener.tlsIdentity : await listener.tlsIdentity();
    return { port: listener.port ?? null, certificate: identity.certificate.toString() };
  },

  /** From now on. The listener is trusted by its certificate alone. */
  async replicate({ medium, target, certificate }) {
    const replicator = new Replicator({
      collections: [collection],
      target: MEDIA[medium].endpointTo(target),
      authenticator: new BasicAuthenticator(USER, PASSWORD),
      pinnedServerCertificate: new X509Certificate(certificate),
      continuous: true,
      maxAttemptWaitTime: 0.5,
    });
    replicator.on('status', ({ activity, error }) => process.send({ status: `${activity} ${error?.code ?? ''}` }));
    replicator.start();
    return {};
  },

  async close() {
    const problems = await database.integrityCheck();
    await database.close();
    return { problems };
  },

  /** Without an answer. */
  leave: () => process.disconnect(),
};

process.on('message', ({ number, command, ...parameters }) => {
  Promise.resolve(parameters)
    .then(commands[command])
    .then(
      (result) => process.connected && process.send({ number, result }),
      (error) => process.send({ number, error: `${command}: ${error.code ?? ''} ${error.stack}` }),
    );
});
process.on('disconnect', () => process.exit());
