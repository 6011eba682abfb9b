import { testLargeBlob } from '../support/large-blob.js';

testLargeBlob(64, 120_000);
