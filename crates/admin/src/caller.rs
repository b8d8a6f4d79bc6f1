//! Who asks something of the admin API, and what they may.

use std::net::IpAddr;

use portcullis_gateway::config::Role;
use portcullis_gateway::operators::Operator;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// It reads: every role may.
    Read,
    /// It changes the configuration or ends the process.
    Change,
    /// It changes consumers and their credentials.
    Credentials,
    /// It hands the process's own sockets over, which only the socket of its own machine can.
    Socket,
}

impl Right {
    /// The roles that have it.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Read => &[Role::Viewer, Role::Operator, Role::Security],
            Self::Change => &[Role::Operator],
            Self::Credentials => &[Role::Security],
            Self::Socket => &[],
        }
    }
}

/// Who asks. Written beside every change that is made in their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    name: String,
    /// Over the network, from where; whoever may open the socket file may do everything.
    network: Option<(Role, IpAddr)>,
}

/// How far away somebody is who changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On the socket: whoever may open it could as well edit the configuration's files.
    Here,
    /// On the network.
    Afar,
}

impl Caller {
    /// Whoever may open the socket file: the user who runs the gateway, and root.
    pub(crate) fn of_socket(uid: Option<u32>) -> Self {
        let name = uid.map_or_else(|| "socket".to_owned(), |uid| format!("socket, uid {uid}"));
        Self { name, network: None }
    }

    /// An operator who was proven.
    pub(crate) fn of_network(operator: &Operator, from: IpAddr) -> Self {
        let name = format!("{}, {}", operator.name, operator.credential);
        Self { name, network: Some((operator.role, from)) }
    }

    /// Whoever reaches the probes.
    pub(crate) fn nobody() -> Self {
        Self { name: "nobody".to_owned(), network: None }
    }

    /// For the audit log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The role and the address of who asks over the network.
    pub(crate) fn network(&self) -> Option<(Role, IpAddr)> {
        self.network
    }

    /// Whether this may be asked.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.network.is_none_or(|(role, _)| right.roles().contains(&role))
    }

    pub(crate) fn reach(&self) -> Reach {
        if self.network.is_none() { Reach::Here } else { Reach::Afar }
    }
}
