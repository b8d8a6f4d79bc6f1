//! Sockets that the service manager opened for this process (`$LISTEN_FDS`, sd_listen_fds(3)).
//!
//! They are adopted before anything else is opened, for until then they are just numbers. The crate `listenfd` turns those
//! into sockets; it is the one step that cannot be made without unsafe code. What is passed must listen on an address that
//! the configuration binds: a socket that nobody wants would take connections and never answer them, so it is refused.
//!
//! # Limits
//! [`SOCKETS_MAX`] sockets.

use std::net::SocketAddr;
use std::{env, process};

use anyhow::{Context, bail, ensure};
use listenfd::ListenFd;
use portcullis_gateway::gateway::{Inherited, listening_address};

/// Sockets a manager may pass: far more than one configuration has listeners.
const SOCKETS_MAX: usize = 1024;

/// Adopts what was passed to this process. To be called first, and once.
pub(crate) fn sockets() -> anyhow::Result<Vec<Inherited>> {
    let number = |name: &str| env::var(name).ok()?.parse::<usize>().ok();
    // Numbers that were meant for another process are not ours to use.
    let is_ours = number("LISTEN_PID") == usize::try_from(process::id()).ok();
    let Some(count) = number("LISTEN_FDS").filter(|count| is_ours && *count > 0) else {
        return Ok(Vec::new());
    };
    ensure!(count <= SOCKETS_MAX, "LISTEN_FDS: {count} sockets are more than {SOCKETS_MAX}");
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut all: Vec<Inherited> = Vec::new();
    for at in 0..count {
        let name = names.next().unwrap_or_default().to_owned();
        let which = || format!("LISTEN_FDS: socket {at} (`{name}`)");
        let socket = passed.take_tcp_listener(at).with_context(which)?.with_context(which)?;
        let address = listening_address(&socket).with_context(which)?;
        match all.iter_mut().find(|one| one.address == address) {
            Some(one) => one.sockets.push(socket),
            None => all.push(Inherited { name, address, sockets: vec![socket] }),
        }
    }
    Ok(all)
}

/// Takes out the socket for a door of the admin server.
pub(crate) fn door(wanted: Option<SocketAddr>, passed: &mut Vec<Inherited>) -> Option<std::net::TcpListener> {
    let at = passed.iter().position(|one| Some(one.address) == wanted && one.sockets.len() == 1)?;
    passed.swap_remove(at).sockets.pop()
}

/// Refuses what nobody wants.
pub(crate) fn none_left(passed: &[Inherited]) -> anyhow::Result<()> {
    let Some(one) = passed.first() else { return Ok(()) };
    let (address, name) = (one.address, &one.name);
    bail!(
        "LISTEN_FDS: no listener binds {address}, as the socket `{name}` that was passed does; \
         add one, or take it out of the socket unit"
    )
}
