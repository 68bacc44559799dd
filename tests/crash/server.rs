//! `chrysalis serve` as a process, for tests that kill it or take the disk away from it.

#[path = "../history/place.rs"]
pub(crate) mod place;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::{Client, StatusCode};
use serde_json::Value;

/// A running engine that is gone when this is.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts on `folder`: `data`, `rules.yaml`, `config.yaml`, and the log goes to `log`.
    pub(crate) async fn start(folder: &Path, workers: usize) -> Server {
        Server::start_with(folder, workers, &[]).await
    }

    /// [`Server::start`] with variables in the environment.
    pub(crate) async fn start_with(
        folder: &Path,
        workers: usize,
        variables: &[(&str, &str)],
    ) -> Server {
        Server::start_as(folder, workers, &[], variables).await
    }

    /// [`Server::start_with`] with further arguments.
    pub(crate) async fn start_as(
        folder: &Path,
        workers: usize,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Server {
        let server = Server::spawn(folder, workers, arguments, variables);
        let client = Client::new();
        let begun = Instant::now();
        loop {
            let ready = client.get(format!("{}/ready", server.url)).send().await;
            if ready.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return server;
            }
            let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "not ready:\n{}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts it, and does not wait for anything.
    pub(crate) fn spawn(
        folder: &Path,
        workers: usize,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Server {
        // The port is free again when the listener is dropped.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let listen = format!("127.0.0.1:{port}");
        let child = command(folder, &listen, workers)
            .args(arguments)
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        Server {
            child,
            url: format!("http://{listen}"),
        }
    }

    /// Kills it at once.
    #[allow(dead_code, reason = "not every test kills")]
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    #[allow(dead_code, reason = "not every test stops it gently")]
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.child.wait().unwrap().code()
    }

    /// SIGTERM, without waiting.
    #[allow(dead_code, reason = "not every test sends signals")]
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.unwrap().success());
    }

    /// How it ended, if it has.
    #[allow(dead_code, reason = "not every test waits for an end")]
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Reads JSON.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = Client::new()
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path, listen: &str, workers: usize) -> Command {
    place::place_history(folder);
    let mut command = Command::new(env!("CARGO_BIN_EXE_chrysalis"));
    let workers = workers.to_string();
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"));
    command
        .args(["serve", "--listen", listen, "--workers", &workers])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--rules")
        .arg(folder.join("rules.yaml"))
        .arg("--config")
        .arg(folder.join("config.yaml"))
        .stderr(Stdio::from(log.unwrap()));
    command
}

/// A start that must be refused, and what it says.
#[allow(dead_code, reason = "not every test is refused")]
pub(crate) fn refused(folder: &Path, arguments: &[&str]) -> String {
    let mut command = command(folder, "127.0.0.1:0", 1);
    let child = command.args(arguments).stderr(Stdio::piped()).spawn();
    let child = child.unwrap();
    let id = child.id();
    // A start that is not refused would stay for ever.
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(30)).is_err() {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    done.send(()).unwrap();
    watch.join().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    words
}

/// Sums the counts of all windows, waiting for the last epoch to be through.
#[allow(dead_code, reason = "not every test counts")]
pub(crate) async fn count_all(server: &Server, want: u64, base_ms: i64) -> u64 {
    let begun = Instant::now();
    loop {
        let mut sum = 0;
        let mut from_ms = base_ms;
        let hour_ms = 600_000;
        while from_ms < now_ms() {
            let to_ms = from_ms + hour_ms;
            let path = format!("/v1/kqis/tests_1m/windows?from={from_ms}&to={to_ms}");
            let answer = server.json(&path).await;
            assert_ne!(answer["truncated"], true);
            let rows = answer["windows"].as_array().unwrap();
            sum += rows
                .iter()
                .map(|row| row["count"].as_u64().unwrap())
                .sum::<u64>();
            from_ms = to_ms;
        }
        if sum == want || begun.elapsed() > Duration::from_secs(5) {
            return sum;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The wall clock.
#[allow(dead_code, reason = "not every test asks for it")]
pub(crate) fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of the real process on the real clock"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
