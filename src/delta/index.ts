export { applyDelta, type DeltaLimits } from './apply.js';
export { createDelta } from './create.js';
