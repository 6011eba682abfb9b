/** With `--import`: a process in which the package sqlite3 is not installed. */
import Module, { register } from 'node:module';

const hooks = `export async function resolve(specifier, context, next) {
  if (specifier === 'sqlite3') {
    throw Object.assign(new Error("Cannot find package 'sqlite3'"), { code: 'ERR_MODULE_NOT_FOUND' });
  }
  return next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

// For `require`, which asks no hooks.
const { _resolveFilename: resolve } = Module;
Module._resolveFilename = (specifier, ...rest) => {
  if (specifier === 'sqlite3')
    throw Object.assign(new Error(`Cannot find module '${specifier}'`), { code: 'MODULE_NOT_FOUND' });
  return resolve.call(Module, specifier, ...rest);
};
