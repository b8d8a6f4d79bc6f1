//! Listeners: what to bind, and how what arrives there is made canonical.

use std::net::SocketAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::Compiler;
use crate::config::values::Bind;
use crate::config::{
    AliasNames as AliasConfig, ForwardedField as ForwardedConfig, Leniency, Listener, PathParameters,
    Protocol, ProxyProtocol,
};
use crate::http::Network;
use crate::http::canonical::{AliasNames, ForwardedField, PathRules, Rules};
use crate::http::term::Term;
use crate::http::tls::ServerTls;
use crate::resources::{Resources, Terms};
use crate::route::Routes;
use crate::snapshot::{Listening, Opening};

/// A listener as the gateway must open it.
#[derive(Debug, Clone)]
pub struct ListenerPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its address; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Most connections at once.
    pub connections_max: usize,
    /// How its connections begin.
    pub opening: Arc<Opening>,
    /// How long they may go on.
    pub term: Arc<Term>,
}

impl Compiler<'_> {
    /// All of them, with no routes yet, and what must be listened on.
    pub(super) fn listeners(
        &mut self,
        resources: &mut Resources,
    ) -> (HashMap<Arc<str>, Listening>, Vec<ListenerPlan>) {
        let (mut listening, mut plans) = (HashMap::new(), Vec::new());
        for (name, listener) in &self.config.listeners {
            let (plan, entry) = self.listener(name, listener, resources);
            listening.insert(Arc::clone(&plan.name), entry);
            plans.push(plan);
        }
        (listening, plans)
    }

    /// One listener, with no routes yet.
    fn listener(
        &mut self,
        name: &str,
        settings: &Listener,
        resources: &mut Resources,
    ) -> (ListenerPlan, Listening) {
        let connections = settings.connections.unwrap_or(self.bounds.connections);
        let bind = match &settings.bind {
            Bind::Tcp(address) => *address,
            Bind::Unix(_) => {
                self.wrong(
                    &format!("listeners.{name}.bind"),
                    "a listener needs an address and a port, such as 0.0.0.0:8443",
                );
                SocketAddr::from(([127, 0, 0, 1], 0))
            }
        };
        let rules = Rules {
            trusted_proxies: settings
                .trusted_proxies
                .iter()
                .filter_map(|network| Network::new(network.address, network.prefix).ok())
                .collect(),
            forwarded: match settings.forwarded() {
                Some(ForwardedConfig::XForwardedFor) => ForwardedField::XForwardedFor,
                Some(ForwardedConfig::Forwarded) => ForwardedField::Forwarded,
                None => ForwardedField::None,
            },
            path: PathRules {
                empty_segments: settings.lenient.contains(&Leniency::EmptySegments),
                encoded_slashes: settings.lenient.contains(&Leniency::EncodedSlashes),
                not_utf8: settings.lenient.contains(&Leniency::PathsNotUtf8),
                refuse_parameters: settings.path_parameters == PathParameters::Refuse,
            },
            alias_names: match settings.alias_names {
                AliasConfig::Distinct => AliasNames::Distinct,
                AliasConfig::Drop => AliasNames::Drop,
                AliasConfig::Refuse => AliasNames::Refuse,
            },
            stray_percent_in_query: settings.lenient.contains(&Leniency::StrayPercent),
            http10_without_host: settings.lenient.contains(&Leniency::Http10WithoutHost),
        };
        let proxy_protocol = settings.proxy_protocol == ProxyProtocol::Require;
        if proxy_protocol && settings.trusted_proxies.is_empty() {
            self.wrong(
                &format!("listeners.{name}.proxy_protocol"),
                "every connection is refused: no proxy is trusted to send the header; add `trusted_proxies`",
            );
        }
        let opening = Arc::new(Opening {
            proxy_protocol: proxy_protocol.then(|| rules.trusted_proxies.clone()),
            http1: settings.protocols().contains(&Protocol::Http1),
            http2: settings.protocols().contains(&Protocol::Http2),
            tls: self.server_tls(name, settings, resources),
        });
        let plan = ListenerPlan {
            name: name.into(),
            bind,
            connections_max: connections as usize,
            opening: Arc::clone(&opening),
            term: resources.term(name, Terms::of(settings)),
        };
        (plan, Listening { opening, rules, routes: Routes::default(), proofs: None })
    }

    /// What TLS needs on a listener that speaks it.
    fn server_tls(
        &mut self,
        name: &str,
        settings: &Listener,
        resources: &mut Resources,
    ) -> Option<Arc<ServerTls>> {
        let tls = settings.tls.as_ref()?;
        let managed = self.managed(name, tls, resources);
        match ServerTls::new(tls, settings.protocols(), &managed) {
            Ok(tls) => Some(Arc::new(tls)),
            Err(error) => {
                self.wrong(&format!("listeners.{name}.tls.{}", error.at), error.what);
                None
            }
        }
    }
}
