//! Tells a supervisor that speaks systemd's notification protocol how the engine does: ready, alive,
//! ending. Without one every call does nothing.
//!
//! The protocol is one datagram of `KEY=VALUE` lines to the socket that `NOTIFY_SOCKET` names; see
//! `sd_notify(3)`. Who calls [`Supervisor::alive`] must have seen the engine do something: a watchdog that
//! is fed by a timer alone guards nothing.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the supervisor, if there is one.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Finds the supervisor in the environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    ///
    /// # Errors
    /// There is one, but it cannot be reached.
    pub fn find() -> io::Result<Supervisor> {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> io::Result<Supervisor> {
        let socket = match variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) {
            Some(name) => {
                let socket = UnixDatagram::unbound()?;
                // A supervisor that does not read must not stop the engine.
                socket.set_nonblocking(true)?;
                socket.connect_addr(&address(&name)?)?;
                Some(socket)
            }
            None => None,
        };
        let of_us =
            variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC")
            .and_then(|us| us.parse().ok())
            .filter(|us| *us > 0 && of_us && socket.is_some())
            .map(Duration::from_micros);
        Ok(Supervisor { socket, watchdog })
    }

    /// How often [`Supervisor::alive`] should be called: twice within the supervisor's patience, as
    /// `sd_watchdog_enabled(3)` advises. `None` if nobody watches.
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 2)
    }

    /// The engine serves.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The engine works.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The engine is ending.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// What the engine does now, in words, for `systemctl status`.
    pub fn status(&self, words: &str) {
        // A line break would begin another key.
        self.tell(&format!("STATUS={}", words.replace('\n', " ")));
    }

    /// The start takes so much longer: without it a long replay would be taken for a hang.
    pub fn extend_start(&self, by: Duration) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    fn tell(&self, words: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(words.as_bytes())
        {
            tracing::warn!(%error, "the supervisor could not be told {words}");
        }
    }
}

fn address(name: &str) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(rest) = name.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        return SocketAddr::from_abstract_name(rest);
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;

    use super::*;

    /// A supervisor found by these variables.
    fn found(variables: &[(&str, &str)]) -> io::Result<Supervisor> {
        Supervisor::of(|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 200];
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn the_supervisor_hears_ready_alive_and_stopping() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = found(&[
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "30000000"),
            ("WATCHDOG_PID", &std::process::id().to_string()),
        ])
        .unwrap();
        assert_eq!(supervisor.alive_every(), Some(Duration::from_secs(15)));
        supervisor.extend_start(Duration::from_secs(2));
        supervisor.status("replaying\n40 %");
        supervisor.ready();
        supervisor.alive();
        supervisor.stopping();
        let words = [(); 5].map(|()| heard(&socket));
        let wanted = [
            "EXTEND_TIMEOUT_USEC=2000000",
            "STATUS=replaying 40 %",
            "READY=1",
            "WATCHDOG=1",
            "STOPPING=1",
        ];
        assert_eq!(words, wanted);
    }

    #[test]
    fn a_socket_of_the_abstract_kind_is_found_by_its_at() {
        let name = format!("chrysalis-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        found(&[("NOTIFY_SOCKET", &format!("@{name}"))])
            .unwrap()
            .ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn nobody_watching_is_no_trouble_and_a_supervisor_that_hangs_is_none() {
        let alone = found(&[("WATCHDOG_USEC", "1000")]).unwrap();
        alone.ready();
        assert_eq!(alone.alive_every(), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = path.to_str().unwrap();
        assert!(found(&[("NOTIFY_SOCKET", name)]).is_err());
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let supervisor = found(&[
            ("NOTIFY_SOCKET", name),
            ("WATCHDOG_USEC", "1000"),
            ("WATCHDOG_PID", "1"),
        ])
        .unwrap();
        // For another process.
        assert_eq!(supervisor.alive_every(), None);
        // The socket's queue fills, and nothing blocks.
        for _ in 0..10_000 {
            supervisor.alive();
        }
    }
}
