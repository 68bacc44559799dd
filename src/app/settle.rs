//! What a start does to SQLite's write-ahead logs before it opens them.

use std::io;
use std::path::Path;

use crate::journal::Disk;

/// Bytes that are read and written back at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Makes durable what the write-ahead log of a database shows. After a sync that failed it may show bytes that are in
/// the system's cache alone, and which no later sync writes: what is recorded behind them would be lost with them when the
/// machine dies. So all of it is written again, as it is, and synced. Only for who holds the data folder's lock: nobody
/// else may write the log meanwhile.
///
/// # Errors
/// What the file system says; the log is as it was, and so is what of it was durable.
pub fn settle(disk: &dyn Disk, database: &Path) -> io::Result<()> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    let mut log = match disk.open(Path::new(&name), true) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let read = log.read_at(&mut chunk, offset)?;
        if read == 0 {
            return log.sync();
        }
        log.write_at(&chunk[..read], offset)?;
        offset += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::FakeDisk;

    #[test]
    fn what_only_the_cache_has_after_a_failed_sync_is_durable_again() {
        let disk = FakeDisk::new();
        let folder = Path::new("/data");
        disk.create_dir(folder).unwrap();
        let path = folder.join("ledger.sqlite");
        // Nothing to do where there is no log.
        settle(&disk, &path).unwrap();
        let log = folder.join("ledger.sqlite-wal");
        let mut file = disk.create(&log).unwrap();
        disk.sync_dir(folder).unwrap();
        file.write_at(&[1; 2_000], 0).unwrap();
        file.sync().unwrap();
        file.write_at(&[2; 2_000], 2_000).unwrap();
        disk.fail_syncs(true);
        assert!(file.sync().is_err());
        disk.fail_syncs(false);
        disk.forget_dirty();
        disk.kill();
        settle(&disk, &path).unwrap();
        disk.crash(&mut || 0);
        let file = disk.open(&log, false).unwrap();
        assert_eq!(file.bytes().unwrap(), 4_000);
        let mut is = vec![0; 4_000];
        file.read_at(&mut is, 0).unwrap();
        assert_eq!(is[1_999..2_001], [1, 2]);
    }
}
