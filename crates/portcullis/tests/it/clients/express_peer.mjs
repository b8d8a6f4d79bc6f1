// express-openapi-validator as its manual sets it up, before a handler that answers 200: PACKAGES FOLDER. Each definition of
// the folder, `/NAME.yaml`, has an application of its own below `/NAME`. It ends with its standard input.
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [packages, folder] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const express = require('express');
const validator = require('express-openapi-validator');
const cookie = require('cookie');

// It tells what it found in a definition on standard output, whose first line is the port here.
for (const level of ['log', 'warn', 'error']) console[level] = () => {};
const apps = new Map();
for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
  apps.set(file.replace('.yaml', ''), await make(`${folder}/${file}`));
}

async function make(apiSpec) {
  const app = express();
  app.disable('x-powered-by');
  // Not `strict`, or it would take no JSON but objects and arrays.
  app.use(express.json({ strict: false }), express.text(), express.urlencoded({ extended: false }));
  app.use((request, _, next) => {
    request.cookies = cookie.parse(request.headers.cookie ?? '');
    next();
  });
  let failure;
  try {
    const middleware = validator.middleware({ apiSpec, validateRequests: true, validateSecurity: false });
    // The first of them passes on what went wrong with the definition.
    failure = await new Promise((done) => middleware[0]({ app }, {}, done));
    if (failure === undefined) app.use(middleware);
  } catch (error) {
    failure = error;
  }
  app.use((request, response, next) => (failure ? next() : response.status(200).end('accepted')));
  app.use((_, response) => response.status(503).set('x-cannot-load', '1').end(String(failure)));
  // What says no status is no refusal: express answers 500.
  app.use((error, _, response, next) => response.status(error.status ?? 500).end(String(error.stack)));
  return app;
}

const server = createServer((request, response) => {
  const app = apps.get(request.url.split(/[/?]/)[1]);
  if (app) app(request, response);
  else response.writeHead(599).end('no such definition');
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume().on('end', () => process.exit());
