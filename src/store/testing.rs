//! Where the histories of unit tests are: SQLite in a test's folder, or, where `CHRYSALIS_TEST_POSTGRES` names a server
//! (`tests/history/both.sh`), a PostgreSQL database for each folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::History;

/// Databases by folder: who starts again in a folder finds its history again.
static PLACED: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// The URL of a folder's database, made when it is first asked for; none where the history is SQLite in the folder.
pub(crate) fn history_url(folder: &Path) -> Option<String> {
    let server = std::env::var("CHRYSALIS_TEST_POSTGRES").ok()?;
    let mut placed = PLACED.lock().unwrap();
    let number = placed.len();
    let url = placed.entry(folder.to_owned()).or_insert_with(|| {
        let name = format!("unit_{}_{number}", std::process::id());
        let sql = format!("CREATE DATABASE {name}");
        let mut psql = Command::new("psql");
        psql.args(["--quiet", "--no-psqlrc", "--command", &sql]);
        let made = psql.arg(format!("{server}/postgres")).status();
        assert!(made.unwrap().success());
        format!("{server}/{name}")
    });
    Some(url.clone())
}

/// The history of a folder.
pub(crate) async fn history(folder: &Path) -> History {
    match history_url(folder) {
        Some(url) => History::open(&url).await.unwrap(),
        None => History::in_folder(folder).await.unwrap(),
    }
}
