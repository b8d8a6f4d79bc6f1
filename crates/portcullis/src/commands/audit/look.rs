//! Looks a configuration over.

use portcullis_gateway::config::{AttestationMode, Auth, Listener, Loaded, values::Bind};
use portcullis_gateway::pipeline::operation::Fate;
use portcullis_gateway::pipeline::{Expression, Operation};
use portcullis_gateway::snapshot::Snapshot;

use super::{
    ANONYMOUS_READ, ANONYMOUS_WRITE, CLEARTEXT, CLEARTEXT_BACKEND, ENDLESS_CREDENTIAL, EVERY_API, EVERY_PATH,
    Found, GUESSING, KEY_IN_COOKIE, KEY_IN_QUERY, LENIENCY, NO_ATTACK_RULES, NO_CONTRACT, NO_DEFINITION,
    NO_LIMIT, OBSERVED_ATTESTATION, OBSERVED_CONTRACT, PASSED_CREDENTIAL, PASSWORDS, Rule, TEED_CONTRACT,
    TRUSTED_DEFINITION, UNCOVERED_CONTRACT,
};

/// Failures of one address that the audit takes without a word.
const FAILURES_MAX: u32 = 100;

/// Everything that is left open.
pub(super) fn over(loaded: &Loaded, snapshot: &Snapshot, name: &str) -> Vec<Found> {
    let mut look = Look { loaded, name, found: Vec::new() };
    snapshot.operations.iter().for_each(|operation| look.operation(operation));
    look.unbuilt(snapshot);
    look.listeners(snapshot);
    look.backends();
    look.consumers();
    look.settings();
    look.found
}

struct Look<'a> {
    loaded: &'a Loaded,
    /// What stands for a place that is in no file.
    name: &'a str,
    found: Vec<Found>,
}

impl Look<'_> {
    /// Notes a finding at a path of the configuration, or at the nearest key above it that is written.
    fn note(&mut self, rule: &'static Rule, path: &str, message: String) {
        let mut path = path;
        let place = loop {
            match (self.loaded.place(path), path.rfind(['.', '['])) {
                (Some(place), _) => break Some(place),
                (None, Some(end)) => path = path.get(..end).unwrap_or_default(),
                (None, None) => break None,
            }
        };
        // What was made of a definition is in no file.
        let place = place.filter(|place| !place.file.starts_with('('));
        let (file, line) =
            place.map_or((self.name.to_owned(), 1), |place| (place.file.to_string(), place.line));
        self.found.push(Found { rule, message, file, line });
    }

    /// Notes a finding at an operation, whose place is `file:line path`.
    fn note_operation(&mut self, rule: &'static Rule, operation: &Operation, message: String) {
        let place = operation.place.split(' ').next().unwrap_or_default();
        let (file, line) = place.rsplit_once(':').unwrap_or((place, ""));
        let file = if file.is_empty() || file.starts_with('(') { self.name } else { file }.to_owned();
        self.found.push(Found { rule, message, file, line: line.parse().unwrap_or(1) });
    }

    fn operation(&mut self, operation: &Operation) {
        let Operation { api, method, template, .. } = operation;
        if operation.is_ours() {
            return;
        }
        let named = format!("{method} {template} of the API `{api}`");
        if matches!(*operation.authentication, Expression::Anonymous(_)) {
            let reads = ["GET", "HEAD", "OPTIONS"].contains(&&**method);
            let rule = if reads { &ANONYMOUS_READ } else { &ANONYMOUS_WRITE };
            self.note_operation(rule, operation, format!("{named} has `auth: none`"));
        }
        if **method == *"*" && template.ends_with("*}") {
            self.note_operation(&EVERY_PATH, operation, format!("{named} takes whatever is asked for"));
        }
        if operation.contract.is_some_and(|contract| contract.is_teed()) {
            let what = format!("{named} sends bodies on while they are judged");
            self.note_operation(&TEED_CONTRACT, operation, what);
        }
        match operation.contract.map(|contract| contract.fate()) {
            None | Some(Fate::Ignored) => {
                self.note_operation(&NO_CONTRACT, operation, format!("{named} is judged by no contract"));
            }
            Some(Fate::Observed) => {
                self.note_operation(
                    &OBSERVED_CONTRACT,
                    operation,
                    format!("{named} is watched and not judged"),
                );
            }
            Some(Fate::Passes) => {
                self.note_operation(
                    &UNCOVERED_CONTRACT,
                    operation,
                    format!("{named} passes what cannot be judged"),
                );
            }
            Some(Fate::Judged | Fate::Refused) => {}
        }
        if operation.handover.as_ref().is_some_and(|handover| handover.passes_credential) {
            self.note_operation(&PASSED_CREDENTIAL, operation, format!("{named} passes credentials on"));
        }
    }

    /// Controls that nobody can set yet: one finding each, which speaks of all operations. When one is built, its absence is
    /// asked of each operation above.
    fn unbuilt(&mut self, snapshot: &Snapshot) {
        let count = snapshot.operations.iter().filter(|operation| !operation.is_ours()).count();
        for (rule, what) in
            [(&NO_LIMIT, "have no limit"), (&NO_ATTACK_RULES, "are not looked at for attacks or malware")]
        {
            let message = format!("{count} operations {what}, since this release has none");
            self.note(rule, "apis", message);
        }
    }

    fn listeners(&mut self, snapshot: &Snapshot) {
        for (name, listener) in &self.loaded.config.listeners {
            let asks = snapshot.operations.iter().any(|operation| {
                let api = self.loaded.config.apis.get(&*operation.api);
                let here =
                    api.is_some_and(|api| api.listen.as_ref().is_none_or(|listen| listen.contains(name)));
                here && matches!(*operation.authentication, Expression::AnyOf(_))
            });
            if asks && listener.tls.is_none() && is_reachable(listener) {
                let message = format!("listener `{name}` takes credentials in cleartext from other machines");
                self.note(&CLEARTEXT, &format!("listeners.{name}.bind"), message);
            }
            for leniency in &listener.lenient {
                let message = format!("listener `{name}` {}", leniency.loosens());
                self.note(&LENIENCY, &format!("listeners.{name}.lenient"), message);
            }
        }
    }

    fn backends(&mut self) {
        for (name, backend) in &self.loaded.config.backends {
            for (at, target) in backend.targets.iter().enumerate() {
                if !target.url.https && !target.url.is_loopback() {
                    let message = format!("backend `{name}` is spoken to in cleartext");
                    self.note(&CLEARTEXT_BACKEND, &format!("backends.{name}.targets[{at}]"), message);
                }
            }
        }
    }

    fn consumers(&mut self) {
        for (name, consumer) in &self.loaded.config.consumers {
            if consumer.apis.iter().any(|api| api == "*") {
                let message = format!("consumer `{name}` may call every API");
                self.note(&EVERY_API, &format!("consumers.{name}.apis"), message);
            }
            for (at, credential) in consumer.credentials.iter().enumerate() {
                if credential.certificate.is_none() && credential.terms().expires.is_none() {
                    let message =
                        format!("credential `{}` of consumer `{name}` never expires", credential.id);
                    self.note(&ENDLESS_CREDENTIAL, &format!("consumers.{name}.credentials[{at}]"), message);
                }
            }
        }
    }

    fn settings(&mut self) {
        let config = &self.loaded.config;
        if let Some(failures) = config.bounds.credential_failures.filter(|failures| *failures > FAILURES_MAX)
        {
            let message = format!("{failures} credentials of one address may fail within a minute");
            self.note(&GUESSING, "bounds.credential_failures", message);
        }
        self.auth("defaults", config.defaults.auth.as_ref());
        for (name, rule) in &config.attestation {
            if rule.mode == AttestationMode::Observe {
                let message = format!("the attestation `{name}` is watched and refuses nobody");
                self.note(&OBSERVED_ATTESTATION, &format!("attestation.{name}.mode"), message);
            }
        }
        for (name, api) in &config.apis {
            let at = format!("apis.{name}");
            if api.trust_definition == Some(true) {
                let message = format!("the definition of API `{name}` may loosen what applies");
                self.note(&TRUSTED_DEFINITION, &format!("{at}.trust_definition"), message);
            }
            if api.openapi.is_none() {
                let message = format!("no definition describes the API `{name}`");
                self.note(&NO_DEFINITION, &at, message);
            }
            self.auth(&at, api.auth.as_ref());
            for (key, operation) in &api.operations {
                self.auth(&format!("{at}.operations[{key:?}]"), operation.auth.as_ref());
            }
            for (scheme, auth) in api.schemes.iter().flatten() {
                self.auth(&format!("{at}.schemes.{scheme}"), Some(auth));
            }
        }
    }

    fn auth(&mut self, at: &str, auth: Option<&Auth>) {
        let path = format!("{at}.auth");
        for one in auth.into_iter().flat_map(Auth::each) {
            match one {
                Auth::ApiKey(key) => {
                    if let Some(name) = &key.query {
                        self.note(
                            &KEY_IN_QUERY,
                            &path,
                            format!("keys stand in the query parameter `{name}`"),
                        );
                    }
                    if let Some(name) = &key.cookie {
                        self.note(&KEY_IN_COOKIE, &path, format!("keys stand in the cookie `{name}`"));
                    }
                }
                Auth::Basic(_) => {
                    self.note(&PASSWORDS, &path, "callers prove themselves by passwords".to_owned())
                }
                _ => {}
            }
        }
    }
}

/// Whether others than this machine can connect.
fn is_reachable(listener: &Listener) -> bool {
    match &listener.bind {
        Bind::Tcp(address) => !address.ip().is_loopback(),
        _ => false,
    }
}
