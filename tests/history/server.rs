//! A PostgreSQL server of its own for one test, on loopback, in a folder that goes with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A server that is stopped when this is dropped.
pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    pub(crate) fn start() -> Postgres {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Postgres { folder, port };
        // The server refuses to run as root; its own account must reach the folder.
        if is_root() {
            run(Command::new("chown")
                .arg("postgres")
                .arg(server.folder.path()));
        }
        let data = server.data();
        run(as_owner("initdb")
            .args([
                "--auth=trust",
                "--username=chrysalis",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(&data));
        server.up();
        server
    }

    /// Starts the server again after [`Postgres::down`].
    pub(crate) fn up(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=",
            self.port
        );
        let log = self.folder.path().join("log");
        run(as_owner("pg_ctl")
            .args(["-w", "-s", "-o", &options, "-l"])
            .arg(log)
            .arg("-D")
            .arg(self.data())
            .arg("start"));
    }

    /// Stops the server at once, as a failure would.
    pub(crate) fn down(&self) {
        run(as_owner("pg_ctl")
            .args(["-w", "-s", "-m", "immediate", "-D"])
            .arg(self.data())
            .arg("stop"));
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://chrysalis@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = as_owner("pg_ctl")
            .args(["-s", "-m", "immediate", "-D"])
            .arg(self.data())
            .arg("stop")
            .status();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A command of the server's package, as somebody who is not root.
fn as_owner(name: &str) -> Command {
    let path = find(name);
    if is_root() {
        let mut command = Command::new("runuser");
        command
            .args(["-u", "postgres", "--"])
            .arg(path)
            .current_dir("/");
        command
    } else {
        Command::new(path)
    }
}

/// Debian keeps the server's commands out of the path.
fn find(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = Path::new("/usr/lib/postgresql").read_dir() {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not there; tests/history/install.sh installs it"))
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
}
