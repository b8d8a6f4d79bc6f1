//! Backends: settings to specs, and specs to the pools that run already.

use std::sync::Arc;

use super::Compiler;
use crate::config::{
    Backend as BackendConfig, BackendProtocol, BackendTls, Balance as BalanceConfig, Health, Target,
};
use crate::resources::Resources;
use crate::upstream::Backend;
use crate::upstream::spec::{
    AnswerBounds, BackendSpec, Balance, BreakerSpec, ClientCertificate, ConcurrencySpec, EjectSpec,
    HealthSpec, PoolSpec, Protocol, RetrySpec, TargetSpec, Timeouts, TlsSpec,
};

impl Compiler<'_> {
    /// Every backend, in order of the configuration.
    pub(super) fn backends(&mut self, resources: &mut Resources, cores: usize) -> Vec<Arc<Backend>> {
        let config = self.config;
        let mut backends = Vec::new();
        for (name, settings) in &config.backends {
            let Some(spec) = self.backend_spec(name, settings) else { continue };
            match resources.backend(spec, cores) {
                Ok(backend) => backends.push(backend),
                Err(error) => self.wrong(&format!("backends.{name}"), error.to_string()),
            }
        }
        backends
    }

    fn backend_spec(&mut self, name: &str, settings: &BackendConfig) -> Option<BackendSpec> {
        let timeout = &settings.timeout;
        Some(BackendSpec {
            name: name.to_owned(),
            targets: settings.targets.iter().map(target).collect(),
            protocol: match settings.protocol {
                BackendProtocol::Auto => Protocol::Auto,
                BackendProtocol::Http1 => Protocol::Http1,
                BackendProtocol::Http2 => Protocol::Http2,
            },
            balance: match settings.balance {
                BalanceConfig::RoundRobin => Balance::RoundRobin,
                BalanceConfig::LeastRequests => Balance::LeastRequests,
                BalanceConfig::PeakEwma => Balance::PeakEwma,
                BalanceConfig::Hash => Balance::Hash,
            },
            eject: EjectSpec {
                failures: settings.eject.failures,
                time: settings.eject.time.get(),
                time_max: settings.eject.time_max.get(),
                slow_start: settings.eject.slow_start.get(),
            },
            retries: RetrySpec { max: settings.retries.max, budget: settings.retries.budget.hundredths() },
            breaker: settings.breaker.as_ref().map(|breaker| BreakerSpec {
                failures: breaker.failures.hundredths(),
                time: breaker.time.get(),
                requests: breaker.requests,
            }),
            concurrency: settings.concurrency.as_ref().map(|concurrency| ConcurrencySpec {
                max: concurrency.max,
                queue: concurrency.queue,
                wait: concurrency.wait.get(),
            }),
            health: settings.health.as_ref().map(health),
            source: settings.source.map(|source| source.0),
            timeouts: Timeouts {
                connect: timeout.connect.get(),
                response: timeout.response.get(),
                idle: timeout.idle.get(),
                total: Some(timeout.total.get()),
            },
            tls: settings.tls.as_ref().map(tls).unwrap_or_default(),
            pool: PoolSpec { idle_connections: self.bounds.pool as usize, idle_for: self.bounds.pool_idle },
            answers: AnswerBounds {
                head: u32::try_from(self.bounds.response_head).unwrap_or(u32::MAX),
                fields: self.bounds.response_fields,
                interim: self.bounds.response_interim,
            },
        })
    }
}

fn health(health: &Health) -> HealthSpec {
    HealthSpec {
        path: health.path.clone(),
        interval: health.interval.get(),
        timeout: health.timeout.get(),
        healthy: health.healthy,
        unhealthy: health.unhealthy,
        status: health.status.clone(),
    }
}

fn tls(tls: &BackendTls) -> TlsSpec {
    TlsSpec {
        ca: tls.ca.clone(),
        server_name: tls.server_name.clone(),
        client: tls.client_certificate.as_ref().map(|certificate| ClientCertificate {
            chain: certificate.cert.clone(),
            key: certificate.key.clone(),
        }),
    }
}

fn target(target: &Target) -> TargetSpec {
    TargetSpec {
        is_tls: target.url.https,
        host: target.url.host.to_string(),
        port: target.url.port,
        path: target.url.path.trim_end_matches('/').to_owned(),
        weight: target.weight,
    }
}
