import { testLargeBlob } from '../support/large-blob.js';

testLargeBlob(16, 120_000);
