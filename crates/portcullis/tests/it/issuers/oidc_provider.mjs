// A certified OpenID provider on a free port of the loopback: JWT and opaque access tokens, introspection, token exchange. With
// certificates in a folder (`idp.crt`, `idp.key`, `ca.pem`) it speaks TLS on another port, and knows a client by its certificate.
// Says its ports in its first line, and ends with its standard input.

import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = join(process.argv[2], 'node_modules/oidc-provider/lib');
const library = await import(pathToFileURL(join(folder, 'index.js')));
const Provider = library.Provider ?? library.default;
const { default: ResourceServer } = await import(pathToFileURL(join(folder, 'helpers/resource_server.js')));
const certificates = process.argv[3];

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const { port } = server.address();
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'ES256' };

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const known = { redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256' };
const mutual = { ...known, client_id: 'mutual', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_uri: 'spiffe://gw/mutual' };
const formats = { 'urn:jwt': 'jwt', 'urn:opaque': 'opaque' };
const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys: [key] },
    clients: [
        { ...known, client_id: 'app', client_secret: 'app-secret', grant_types: ['client_credentials'] },
        { ...known, client_id: 'gateway', client_secret: 'gateway-secret', grant_types: ['client_credentials', EXCHANGE] },
        { ...known, client_id: 'reader', client_secret: 'reader-secret', grant_types: [] },
        ...(certificates ? [{ ...mutual, grant_types: ['client_credentials', EXCHANGE] }] : []),
    ],
    clientAuthMethods: ['client_secret_basic', ...(certificates ? ['tls_client_auth'] : [])],
    // Who acts for whom, as the grant below found out.
    extraTokenClaims: (ctx, token) => token.claimsOfExchange,
    scopes: ['openid', 'read', 'write'],
    features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        revocation: { enabled: true },
        jwtIntrospection: { enabled: true },
        mTLS: {
            enabled: Boolean(certificates),
            tlsClientAuth: Boolean(certificates),
            getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
            certificateAuthorized: (ctx) => ctx.socket.authorized,
            certificateSubjectMatches: (ctx, property, expected) =>
                property === 'tls_client_auth_san_uri' && ctx.socket.getPeerX509Certificate().subjectAltName === `URI:${expected}`,
        },
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

// RFC 8693: an opaque token becomes a JWT for the resource, which says who acts, and for whom that one acted.
const find = async (token) => token && ((await provider.ClientCredentials.find(token)) ?? (await provider.AccessToken.find(token)));
const exchange = async (ctx) => {
    const { client, params } = ctx.oidc;
    const subject = await find(params.subject_token);
    const refuse = (error) => { ctx.status = 400; ctx.body = { error }; };
    if (!subject) return refuse('invalid_grant');
    if (params.resource !== 'urn:orders') return refuse('invalid_target');
    const actor = await find(params.actor_token);
    if (params.actor_token && actor?.clientId !== client.clientId) return refuse('invalid_request');
    const token = new provider.AccessToken({ client, accountId: subject.accountId ?? subject.clientId, scope: 'read', gty: 'token_exchange' });
    token.resourceServer = new ResourceServer(params.resource, {
        scope: 'read', audience: 'orders', accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } },
    });
    const before = subject.extra?.act;
    token.claimsOfExchange = actor && { act: { sub: actor.clientId, ...(before && { act: before }) } };
    ctx.body = {
        access_token: await token.save(), issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: token.expiration, scope: 'read',
    };
};
const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'actor_token', 'actor_token_type', 'resource', 'audience', 'scope'];
provider.registerGrantType(EXCHANGE, exchange, parameters);

server.on('request', provider.callback());
const ports = [port];
if (certificates) {
    const read = (name) => readFileSync(join(certificates, name));
    const options = { cert: read('idp.crt'), key: read('idp.key'), ca: read('ca.pem'), requestCert: true, rejectUnauthorized: false };
    const tls = createTlsServer(options, provider.callback());
    await new Promise((done) => tls.listen(0, '127.0.0.1', done));
    ports.push(tls.address().port);
}
console.log(ports.join(' '));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
