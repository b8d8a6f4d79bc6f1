// A certified OpenID provider (npm oidc-provider) at which everybody is alice, without a form.
//
// It says its port, and is made when it is told by POST /__client who the client is.
import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(pathToFileURL(`${process.argv[2]}/oidc-provider/lib/index.js`));
let handle;

const server = createServer(async (request, response) => {
  if (request.url === '/__client') {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    make(JSON.parse(Buffer.concat(pieces)));
    response.end();
  } else if (!handle) {
    response.writeHead(503).end();
  } else {
    handle(request, response);
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

function make({ redirect_uris, key }) {
  const client = { client_id: 'gw', redirect_uris, grant_types: ['authorization_code', 'refresh_token'] };
  if (key) {
    client.token_endpoint_auth_method = 'private_key_jwt';
    client.token_endpoint_auth_signing_alg = 'ES256';
    client.jwks = { keys: [{ ...createPublicKey(key).export({ format: 'jwk' }), kid: 'k1' }] };
  } else {
    client.client_secret = 'a secret of the client, long enough';
  }
  const provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
    clients: [client],
    cookies: { keys: ['of a test'] },
    clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com` }) }),
    claims: { openid: ['sub', 'email'] },
    conformIdTokenClaims: false,
    issueRefreshToken: () => true,
    rotateRefreshToken: () => true,
    ttl: { AccessToken: 3, IdToken: 60, RefreshToken: 600, Interaction: 60, Session: 60, Grant: 600 },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
    let result = { login: { accountId: 'alice' } };
    if (prompt.name === 'consent') {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      result = { consent: { grantId: await grant.save() } };
    }
    await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
    ctx.respond = false;
  });
  handle = provider.callback();
}
