/**
 * Reads TypeScript sources for the tests of the house rules: what a file imports, and which words of it touch the world.
 * It works on the syntax tree, so that comments and strings never count, and knows no rule itself.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

/** Sources by path, relative to the repository with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

export interface Import {
  /** As written: `./frame.js`, `node:zlib`, `ws`. */
  readonly specifier: string;
  /** The package of a bare specifier (`@scope/name`, `ws`), else undefined. */
  readonly package: string | undefined;
  /** The source file a relative specifier means (`src/blip/frame.ts`), else undefined. */
  readonly target: string | undefined;
  /** Whether nothing of it remains at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface Use {
  /** `await`, `async`, a global (`setTimeout`) or a member of one (`Date.now`, `new Date`). */
  readonly word: string;
  readonly line: number;
}

export interface SourceFacts {
  readonly imports: readonly Import[];
  readonly uses: readonly Use[];
  /** Whether the file does nothing but `export … from` (and `export {}`). */
  readonly onlyReexports: boolean;
}

/** Every .ts file below the folders, which may be absent. */
export function readSources(repository: string, folders: readonly string[]): Sources {
  const sources = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of readFolder(join(repository, folder))) {
      if (!entry.endsWith('.ts') || entry.includes('node_modules/')) continue;
      sources.set(`${folder}/${entry}`, readFileSync(join(repository, folder, entry), 'utf8'));
    }
  }
  return sources;
}

function readFolder(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, encoding: 'utf8' }).map((entry) => entry.replaceAll('\\', '/'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function factsOf(path: string, text: string): SourceFacts {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const imports: Import[] = [];
  const uses: Use[] = [];
  const lineOf = (node: ts.Node): number => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;

  const addImport = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const text = specifier.text;
    const relative = text.startsWith('.');
    imports.push({
      specifier: text,
      package: relative || text.startsWith('node:') ? undefined : packageOf(text),
      target: relative ? posix.join(posix.dirname(path), text).replace(/\.js$/, '.ts') : undefined,
      typeOnly,
      line: lineOf(node),
    });
  };

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      addImport(node, node.moduleSpecifier, node.importClause?.isTypeOnly === true);
    } else if (ts.isExportDeclaration(node)) {
      addImport(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      addImport(node, node.argument.literal, true);
    } else if (ts.isCallExpression(node) && loadsModule(node.expression)) {
      addImport(node, node.arguments[0], false);
    }

    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined)) {
      uses.push({ word: 'await', line: lineOf(node) });
    } else if (node.kind === ts.SyntaxKind.AsyncKeyword) {
      uses.push({ word: 'async', line: lineOf(node) });
    } else if (ts.isNewExpression(node) && ts.isIdentifier(node.expression)) {
      uses.push({ word: `new ${node.expression.text}`, line: lineOf(node) });
    } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      uses.push({ word: `${node.expression.text}.${node.name.text}`, line: lineOf(node) });
    }
    if (ts.isIdentifier(node) && !isNameOfMember(node)) uses.push({ word: node.text, line: lineOf(node) });
    ts.forEachChild(node, visit);
  };
  visit(source);

  const onlyReexports = source.statements.every(
    (statement) =>
      ts.isExportDeclaration(statement) &&
      (statement.moduleSpecifier !== undefined ||
        (statement.exportClause !== undefined &&
          ts.isNamedExports(statement.exportClause) &&
          statement.exportClause.elements.length === 0)),
  );
  return { imports, uses, onlyReexports };
}

/** `import(…)`, `require(…)`, `require.resolve(…)`, `import.meta.resolve(…)`, and whatever else is called like that. */
function loadsModule(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword ||
    /(^|\.)(\w*require|getBuiltinModule)$|\b(require|import\.meta)\.resolve$/i.test(callee.getText())
  );
}

/** True for `b` in `a.b`, `{ b: 1 }` and declarations of members: these name no global. */
function isNameOfMember(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent)) &&
    parent.name === node
  );
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
