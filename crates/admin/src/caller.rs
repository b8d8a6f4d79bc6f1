//! Who asks something of the admin API.

/// Who asks. Written beside every change that is made in their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    name: String,
}

impl Caller {
    /// Whoever may open the socket file: the user who runs the gateway, and root.
    pub(crate) fn of_socket(uid: Option<u32>) -> Self {
        let name = uid.map_or_else(|| "socket".to_owned(), |uid| format!("socket, uid {uid}"));
        Self { name }
    }

    /// Whoever reaches the probes.
    pub(crate) fn nobody() -> Self {
        Self { name: "nobody".to_owned() }
    }

    /// For the audit log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
