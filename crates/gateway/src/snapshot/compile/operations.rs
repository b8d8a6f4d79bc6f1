//! APIs: settings merged for each operation, templates made into matchers, published on their listeners.

use std::sync::Arc;

use foldhash::HashMap;
use portcullis_openapi::matcher::{MatcherBuilder, Methods};
use portcullis_openapi::template::Template;

use super::{Compiler, spell};
use crate::config::{Api, ApiKeyAuth, Auth, Match, Stream as StreamConfig};
use crate::pipeline::authentication::Authenticator;
use crate::pipeline::operation::Stream;
use crate::pipeline::{Expression, Needs, Operation, Policy};
use crate::policies::api_key::{ApiKey, Keys};
use crate::policies::require::Require;
use crate::route::HostPattern;
use crate::snapshot::Listening;

/// An OR of ANDs of authenticators.
type Alternatives = Vec<Vec<Arc<dyn Authenticator>>>;

impl Compiler<'_> {
    /// One API: its operations, published under its hosts on its listeners.
    pub(super) fn api(
        &mut self,
        name: &str,
        api: &Api,
        keys: &Arc<Keys>,
        listening: &mut HashMap<Arc<str>, Listening>,
        operations: &mut Vec<Arc<Operation>>,
    ) {
        let base = api.base_path().trim_end_matches('/');
        let mut builder = MatcherBuilder::new();
        for (key, settings) in &api.operations {
            let path = format!("apis.{name}.operations.{key}");
            let Some(matches) = settings.matches.clone().or_else(|| key.parse().ok()) else {
                self.wrong(&path, "no operation of this name; hint: add `match: \"GET /path\"`");
                continue;
            };
            let Some(operation) = self.operation(name, api, key, &matches, keys) else { continue };
            let template = match Template::parse(&operation.template) {
                Ok(template) => template,
                Err(error) => {
                    self.wrong(&format!("{path}.match"), error.to_string());
                    continue;
                }
            };
            let methods = match &matches.method {
                None => Methods::Any,
                Some(method) => match http::Method::from_bytes(method.as_bytes()) {
                    Ok(method) => Methods::One(method),
                    Err(_) => {
                        self.wrong(&format!("{path}.match"), "this is no method");
                        continue;
                    }
                },
            };
            operations.push(Arc::clone(&operation));
            if let Err(clash) = builder.insert(methods, template, operation) {
                self.wrong(&format!("{path}.match"), clash.to_string());
            }
        }
        let matcher = match builder.build() {
            Ok(matcher) => Arc::new(matcher),
            Err(error) => return self.wrong(&format!("apis.{name}.operations"), error.to_string()),
        };
        let everywhere: Vec<String> = self.config.listeners.keys().cloned().collect();
        for listener in api.listen.as_ref().unwrap_or(&everywhere) {
            let Some(listening) = listening.get_mut(listener.as_str()) else { continue };
            match &api.hosts {
                None => listening.routes.publish(HostPattern::Any, base, Arc::clone(&matcher)),
                Some(hosts) => {
                    for host in hosts {
                        listening.routes.publish(HostPattern::parse(host), base, Arc::clone(&matcher));
                    }
                }
            }
        }
    }

    fn operation(
        &mut self,
        api_name: &str,
        api: &Api,
        key: &str,
        matches: &Match,
        keys: &Arc<Keys>,
    ) -> Option<Arc<Operation>> {
        let path = format!("apis.{api_name}.operations.{key}");
        let effective = match self.loaded.effective(api_name, &[key]) {
            Ok(effective) => effective,
            Err(findings) => {
                self.findings.extend(findings);
                return None;
            }
        };
        let settings = &effective.settings;
        let authentication = match &settings.auth {
            Some(auth) => self.expression(&path, auth, keys)?,
            None => {
                self.wrong(&path, "nothing says who may call; hint: `auth: none` or `auth: { api_key: {} }`");
                return None;
            }
        };
        let place = self.place(&path);
        let mut chain: Vec<Arc<dyn Policy>> = Vec::new();
        if let Some(require) = settings.require.as_ref().filter(|require| !require.scopes.is_empty()) {
            if matches!(authentication, Expression::Anonymous(_)) {
                self.wrong(&path, "asks for scopes but lets anonymous callers in");
                return None;
            }
            let scopes = require.scopes.iter().map(|scope| scope.as_str().into()).collect();
            chain.push(Arc::new(Require::new(scopes, Arc::clone(&place))));
        }
        let base = api.base_path().trim_end_matches('/');
        let template: Arc<str> = format!("{base}{}", matches.path).into();
        let bounds = match &settings.bounds {
            Some(own) => Arc::new(own.over(&self.bounds)),
            None => Arc::clone(&self.bounds),
        };
        let Some(backend) = self.config.backends.get_index_of(&api.backend) else {
            self.wrong(&format!("apis.{api_name}.backend"), "no backend of this name");
            return None;
        };
        Some(Arc::new(Operation {
            api: api_name.into(),
            name: key.into(),
            metrics: self.observe.operation(api_name, key, &template),
            template,
            method: matches.method.as_deref().unwrap_or("*").into(),
            authentication,
            needs: chain.iter().map(|policy| policy.needs()).max().unwrap_or(Needs::Head),
            chain,
            backend,
            strip: if api.strip_base_path.unwrap_or(false) { base.len() } else { 0 },
            bounds,
            stream: settings.stream.map(|stream| match stream {
                StreamConfig::Sse => Stream::Events,
                StreamConfig::Websocket => Stream::WebSocket,
                StreamConfig::Grpc => Stream::Grpc,
            }),
            auth_place: spell(effective.place("auth"), "auth"),
            place,
        }))
    }

    fn expression(&mut self, path: &str, auth: &Auth, keys: &Arc<Keys>) -> Option<Expression> {
        if *auth == Auth::None {
            return Some(Expression::anonymous());
        }
        let alternatives = self.alternatives(path, auth, keys)?;
        if alternatives.is_empty() || alternatives.iter().any(Vec::is_empty) {
            self.wrong(path, "an empty list lets nobody be proven; hint: `auth: none` must be written out");
            return None;
        }
        Some(Expression::AnyOf(alternatives))
    }

    /// `auth` as an OR of ANDs.
    fn alternatives(&mut self, path: &str, auth: &Auth, keys: &Arc<Keys>) -> Option<Alternatives> {
        match auth {
            Auth::ApiKey(settings) => {
                let header = settings.header().unwrap_or(ApiKeyAuth::HEADER);
                let authenticator: Arc<dyn Authenticator> = Arc::new(ApiKey::new(header, Arc::clone(keys)));
                Some(vec![vec![authenticator]])
            }
            Auth::AnyOf(several) => {
                let several: Option<Vec<_>> =
                    several.iter().map(|one| self.alternatives(path, one, keys)).collect();
                Some(several?.into_iter().flatten().collect())
            }
            Auth::AllOf(several) => {
                let mut all: Alternatives = vec![Vec::new()];
                for one in several {
                    let more = self.alternatives(path, one, keys)?;
                    all = all
                        .iter()
                        .flat_map(|left| more.iter().map(|right| left.iter().chain(right).cloned().collect()))
                        .collect();
                    if all.len() > ALTERNATIVES_MAX {
                        self.wrong(path, "combines into too many alternatives");
                        return None;
                    }
                }
                Some(all)
            }
            Auth::None => {
                self.wrong(
                    path,
                    "`none` stands alone: an alternative that asks nothing makes the others idle",
                );
                None
            }
            Auth::Definition | Auth::Certificate(_) | Auth::Jwt(_) => {
                self.wrong(path, "this way to prove a caller is not built yet");
                None
            }
        }
    }
}

/// Alternatives that one `auth` may multiply out to.
const ALTERNATIVES_MAX: usize = 64;
