//! A relay that misbehaves on order: slow, cut off, silent, or handing on wrong bytes.
//!
//! It stands between a gateway and a backend (or a client and a gateway) and works in user space, because not
//! every machine can shape traffic in the kernel.

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{Deadline, raw};

/// What goes wrong in one direction. The default hands everything on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Each piece waits this long.
    pub latency: Duration,
    /// No more than this many bytes a second.
    pub bytes_per_second: Option<u64>,
    /// After this many bytes nothing is handed on any more; the connections stay open.
    pub stall_after: Option<u64>,
    /// After this many bytes both connections are closed.
    pub close_after: Option<u64>,
    /// After this many bytes both connections are reset.
    pub reset_after: Option<u64>,
    /// The byte at this place is changed.
    pub corrupt_at: Option<u64>,
}

/// A relay to one address.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Toward the target, and back.
    faults: [Faults; 2],
    is_refusing: bool,
    is_stopped: bool,
    is_away: bool,
    /// A door that nobody opens, with those who wait before it.
    shut: Option<(TcpListener, Vec<TcpStream>)>,
    accepted: usize,
    sockets: Vec<TcpStream>,
}

/// Toward the target or back from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected to the target.
    Forth,
    /// From the target.
    Back,
}

impl FaultProxy {
    /// Starts a relay to `target` on a loopback port of its own.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { target, state: Mutex::default() });
        let proxy = Self { address, shared };
        proxy.serve(listener);
        proxy
    }

    /// Starts a relay that takes no connection until it is told to [`FaultProxy::come_back`]: those who connect hear
    /// nothing at all, as from an address whose packets are lost.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn black_hole(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        // Once as many wait as the kernel lets wait, it leaves the next ones unanswered.
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
        }
        let shared = Arc::new(Shared { target, state: Mutex::default() });
        shared.lock().shut = Some((listener, waiting));
        Self { address, shared }
    }

    /// Leaves its port: whoever connects is refused, and every connection there is breaks.
    ///
    /// # Panics
    /// When somebody still listens there.
    pub fn leave(&self) {
        self.shared.lock().is_away = true;
        self.break_all();
        // The first one wakes the accepting thread, which then ends.
        let gone = || TcpStream::connect(self.address).is_err().then_some(());
        Deadline::soon().poll("a port where nobody listens", gone);
    }

    /// Listens again, after [`FaultProxy::leave`] or as a [`FaultProxy::black_hole`].
    ///
    /// # Panics
    /// When its port was taken meanwhile.
    pub fn come_back(&self) {
        let shut = self.shared.lock().shut.take();
        let listener = match shut {
            Some((listener, _)) => listener,
            None => Deadline::soon().poll("its port", || TcpListener::bind(self.address).ok()),
        };
        self.shared.lock().is_away = false;
        self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) {
        let accepting = Arc::clone(&self.shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !accepting.welcome(stream) {
                    return;
                }
            }
        });
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next piece on, of connections there are and those to come, `direction` suffers these faults.
    pub fn set(&self, direction: Direction, faults: Faults) {
        self.shared.lock().faults[direction as usize] = faults;
    }

    /// Whether new connections are closed as soon as they are made.
    pub fn refuse(&self, refuse: bool) {
        self.shared.lock().is_refusing = refuse;
    }

    /// Breaks every connection there is.
    pub fn break_all(&self) {
        for socket in self.shared.lock().sockets.drain(..) {
            raw::reset(&socket);
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// How many connections were made so far.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        self.break_all();
        let shut = self.shared.lock().shut.take();
        if shut.is_none() {
            drop(TcpStream::connect(self.address)); // wakes the accepting thread, which then ends
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Relays a new connection; `false` once the relay is gone.
    fn welcome(self: &Arc<Self>, near: TcpStream) -> bool {
        let mut state = self.lock();
        if state.is_stopped || state.is_away {
            return false;
        }
        state.accepted += 1;
        let is_refusing = state.is_refusing;
        drop(state);
        let far = TcpStream::connect_timeout(&self.target, crate::deadline::SOON);
        let Some(far) = far.ok().filter(|_| !is_refusing) else { return true };
        let clones = [&near, &far].map(|socket| {
            drop(socket.set_nodelay(true));
            socket.try_clone().expect("a socket")
        });
        let kept = [&near, &far].map(|socket| socket.try_clone().expect("a socket"));
        self.lock().sockets.extend(kept);
        let [near_again, far_again] = clones;
        for (direction, from, to) in [(Direction::Forth, near, far_again), (Direction::Back, far, near_again)]
        {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.relay(direction, from, to));
        }
        true
    }

    fn relay(&self, direction: Direction, mut from: TcpStream, mut to: TcpStream) {
        let mut passed = 0_u64;
        let mut piece = vec![0; 16 * 1024];
        loop {
            let faults = self.lock().faults[direction as usize];
            // A bound on speed is kept by small pieces; a place in the stream by stopping right there.
            let ends = [faults.stall_after, faults.close_after, faults.reset_after];
            let room = ends.into_iter().flatten().map(|end| end.saturating_sub(passed)).min();
            if room == Some(0) {
                if self.stop_at(direction, faults, passed, &[&from, &to]) {
                    return;
                }
                continue;
            }
            let most =
                room.unwrap_or(u64::MAX).min(faults.bytes_per_second.map_or(u64::MAX, |rate| rate / 20 + 1));
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(piece.len());
            let count = match from.read(&mut piece[..most]) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            if let Some(at) = faults.corrupt_at.and_then(|at| usize::try_from(at.checked_sub(passed)?).ok())
                && at < count
            {
                piece[at] ^= 0x20;
            }
            passed += count as u64;
            let rate =
                faults.bytes_per_second.map(|rate| Duration::from_millis(1000 * count as u64 / rate.max(1)));
            thread::sleep(faults.latency + rate.unwrap_or_default());
            if to.write_all(&piece[..count]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Write));
        drop(from.shutdown(Shutdown::Read));
        self.forget(&[&from, &to]);
    }

    /// Gives up the handles of what has ended, so that no descriptors are left of it.
    fn forget(&self, ends: &[&TcpStream; 2]) {
        let names = ends.map(|socket| socket.peer_addr().ok());
        self.lock().sockets.retain(|socket| {
            let name = socket.peer_addr().ok();
            name.is_some() && !names.contains(&name)
        });
    }

    /// Does what is due at `passed` bytes; `true` when the relay ends here.
    fn stop_at(&self, direction: Direction, faults: Faults, passed: u64, ends: &[&TcpStream; 2]) -> bool {
        if faults.reset_after.is_some_and(|end| end <= passed) {
            // A reset is what a socket's close becomes once it may not linger, when its last handle goes. The other
            // direction's thread holds one; the end of reading makes it go.
            self.forget(ends);
            for socket in ends {
                raw::reset(socket);
                drop(socket.shutdown(Shutdown::Read));
            }
            return true;
        }
        if faults.close_after.is_some_and(|end| end <= passed) {
            for socket in ends {
                drop(socket.shutdown(Shutdown::Both));
            }
            return true;
        }
        loop {
            let state = self.lock();
            if state.is_stopped {
                return true;
            }
            if state.faults[direction as usize].stall_after.is_none_or(|end| end > passed) {
                return false;
            }
            drop(state);
            thread::sleep(Duration::from_millis(5));
        }
    }
}
