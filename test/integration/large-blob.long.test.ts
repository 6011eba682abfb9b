import { testLargeBlob } from '../support/large-blob.js';

testLargeBlob(1_024, 1_800_000);
