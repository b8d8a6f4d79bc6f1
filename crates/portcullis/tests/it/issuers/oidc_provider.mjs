// A certified OpenID provider on a free port of the loopback: JWT and opaque access tokens, introspection.
// Says its port in its first line, and ends with its standard input.

import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = join(process.argv[2], 'node_modules/oidc-provider/lib/index.js');
const library = await import(pathToFileURL(folder));
const Provider = library.Provider ?? library.default;

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const { port } = server.address();
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'ES256' };

const formats = { 'urn:jwt': 'jwt', 'urn:opaque': 'opaque' };
const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys: [key] },
    clients: [
        { client_id: 'app', client_secret: 'app-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' },
        { client_id: 'gateway', client_secret: 'gateway-secret', grant_types: [], redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' },
    ],
    scopes: ['openid', 'read', 'write'],
    features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        revocation: { enabled: true },
        resourceIndicators: {
            enabled: true,
            getResourceServerInfo: (ctx, resource) => ({
                scope: 'read write',
                audience: 'orders-api',
                accessTokenFormat: formats[resource],
                accessTokenTTL: 600,
                jwt: { sign: { alg: 'ES256' } },
            }),
        },
    },
});
server.on('request', provider.callback());
console.log(port);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
