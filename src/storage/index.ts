/** The door of the room: what the database keeps on disk. */
export * from './storage.js';
export { DEFAULT_STORAGE_SIZES, type StorageSizes } from './storage-sizes.js';
export { BlobStore, type BlobRange, type BlobSource, type ExpectedBlob, type StoredBlob } from './blob-store.js';
export { digestOf, isBlobDigest } from './blob-digest.js';
export { fileError, syncDirectory } from './files.js';
export { lockDirectory } from './lock.js';
export { isDatabaseDirectory, openStorage } from './sqlite/open-storage.js';
