//! Where the history of an engine under test is.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// In a folder that was copied from another engine's: where that one's history is.
pub(crate) const COPIED: &str = "history-copied";
/// Where the history of a folder's engine is.
pub(crate) const KNOWN: &str = "history-url";

/// Puts the history of a folder into a PostgreSQL database of its own, where `CHRYSALIS_TEST_POSTGRES` names a server
/// (`tests/history/both.sh`); else it is SQLite in the folder.
pub(crate) fn place_history(folder: &Path) {
    let Ok(server) = std::env::var("CHRYSALIS_TEST_POSTGRES") else {
        return;
    };
    let path = folder.join("config.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    if config.contains("history:") {
        return;
    }
    // A test that writes another configuration keeps its history.
    let known = folder.join(KNOWN);
    let url = std::fs::read_to_string(&known).unwrap_or_else(|_| {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("server_{}_{number}", std::process::id());
        // A folder that is a copy has a copy of its history, too; nobody may be connected to the first one then.
        let copied = std::fs::read_to_string(folder.join(COPIED));
        let of = copied
            .as_deref()
            .ok()
            .and_then(|url| url.rsplit('/').next());
        let of = of.map_or_else(String::new, |of| format!(" TEMPLATE {of}"));
        let sql = format!("CREATE DATABASE {name}{of}");
        let mut psql = Command::new("psql");
        psql.args(["--quiet", "--no-psqlrc", "--command", &sql]);
        let made = psql.arg(format!("{server}/postgres")).status();
        assert!(made.unwrap().success());
        let url = format!("{server}/{name}");
        std::fs::write(&known, &url).unwrap();
        url
    });
    let placed = format!("{config}\nhistory: {{url: \"{url}\"}}\n");
    std::fs::write(&path, placed).unwrap();
}
