//! The files of SQLite on the disk that fails: a VFS whose every write and sync is one of [`FakeDisk`], so that the
//! ledger's write-ahead log is torn, lost and cut off like the journal.
//!
//! * Each process mounts the disk under a number of its own, which is the first part of its paths. What a dead
//!   process still does, as closing a file, meets no mount, or a handle from before its death.
//! * There is one connection at a time, so locks are granted and there is no shared memory.
//! * Promises to SQLite what `unix` does: a write leaves the bytes beside it alone, whatever happens.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use chrysalis::journal::{Disk, DiskFile, FakeDisk};
use libsqlite3_sys as sqlite;

/// The name under which it is known to SQLite.
pub(crate) const NAME: &str = "failing-disk";

static MOUNTS: Mutex<BTreeMap<u64, Mounted>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);
static REGISTERED: Once = Once::new();

#[derive(Clone)]
struct Mounted {
    disk: FakeDisk,
    faults: Arc<Faults>,
}

/// What goes wrong for SQLite alone.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Syncs fail.
    pub(crate) fail_syncs: AtomicBool,
    /// How many did.
    pub(crate) failed: AtomicU64,
    /// Writes that found no room.
    pub(crate) full: AtomicU64,
}

/// A disk that SQLite sees, as long as this lives.
pub(crate) struct Mount {
    number: u64,
    pub(crate) faults: Arc<Faults>,
}

impl Mount {
    pub(crate) fn new(disk: &FakeDisk) -> Mount {
        REGISTERED.call_once(register);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let faults = Arc::new(Faults::default());
        let mounted = Mounted {
            disk: disk.clone(),
            faults: Arc::clone(&faults),
        };
        MOUNTS.lock().unwrap().insert(number, mounted);
        Mount { number, faults }
    }

    /// What SQLite calls a file of the disk.
    pub(crate) fn path(&self, on_disk: &str) -> PathBuf {
        PathBuf::from(format!("/{}{on_disk}", self.number))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        MOUNTS.lock().unwrap().remove(&self.number);
    }
}

/// The disk of a path, and what the path is on it.
fn find(path: &str) -> Option<(Mounted, PathBuf)> {
    let (number, rest) = path.strip_prefix('/')?.split_once('/')?;
    let mounted = MOUNTS.lock().unwrap().get(&number.parse().ok()?)?.clone();
    Some((mounted, Path::new("/").join(rest)))
}

/// An open file.
struct Open {
    file: Box<dyn DiskFile>,
    mounted: Mounted,
    /// The folder is synced with the first sync of the file, as `unix` does for what it has created.
    folder: Option<PathBuf>,
}

fn open(path: &str, flags: c_int) -> Option<Open> {
    let (mounted, path) = find(path)?;
    let opened = mounted.disk.open(&path, true);
    let (file, is_new) = match opened {
        Ok(file) => (file, false),
        Err(_) if flags & sqlite::SQLITE_OPEN_CREATE != 0 => {
            (mounted.disk.create(&path).ok()?, true)
        }
        Err(_) => return None,
    };
    let journals = sqlite::SQLITE_OPEN_WAL
        | sqlite::SQLITE_OPEN_MAIN_JOURNAL
        | sqlite::SQLITE_OPEN_SUPER_JOURNAL;
    let folder = (is_new && flags & journals != 0).then(|| path.parent().map(Path::to_owned));
    Some(Open {
        file,
        mounted,
        folder: folder.flatten(),
    })
}

impl Open {
    fn read(&self, into: &mut [u8], offset: u64) -> c_int {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => {
                    into[done..].fill(0);
                    return sqlite::SQLITE_IOERR_SHORT_READ;
                }
                Ok(more) => done += more,
                Err(_) => return sqlite::SQLITE_IOERR_READ,
            }
        }
        sqlite::SQLITE_OK
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> c_int {
        match self.file.write_at(bytes, offset) {
            Ok(()) => sqlite::SQLITE_OK,
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                self.mounted.faults.full.fetch_add(1, Ordering::Relaxed);
                sqlite::SQLITE_FULL
            }
            Err(_) => sqlite::SQLITE_IOERR_WRITE,
        }
    }

    fn sync(&mut self) -> c_int {
        let faults = &self.mounted.faults;
        if faults.fail_syncs.load(Ordering::Relaxed) {
            faults.failed.fetch_add(1, Ordering::Relaxed);
            return sqlite::SQLITE_IOERR_FSYNC;
        }
        let folder = self.folder.take();
        let synced = self.file.sync().and_then(|()| match &folder {
            Some(folder) => self.mounted.disk.sync_dir(folder),
            None => Ok(()),
        });
        match synced {
            Ok(()) => sqlite::SQLITE_OK,
            Err(_) => sqlite::SQLITE_IOERR_FSYNC,
        }
    }
}

fn delete(path: &str, sync_folder: bool) -> c_int {
    let Some((mounted, path)) = find(path) else {
        return sqlite::SQLITE_IOERR_DELETE;
    };
    match mounted.disk.remove(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return sqlite::SQLITE_IOERR_DELETE_NOENT;
        }
        Err(_) => return sqlite::SQLITE_IOERR_DELETE,
    }
    match path.parent().filter(|_| sync_folder) {
        Some(folder) if mounted.disk.sync_dir(folder).is_err() => sqlite::SQLITE_IOERR_DELETE,
        _ => sqlite::SQLITE_OK,
    }
}

#[expect(
    unsafe_code,
    reason = "SQLite calls by C; every call is handed on to safe code at once"
)]
mod calls {
    use super::*;

    /// What SQLite keeps for each open file.
    #[repr(C)]
    struct File {
        base: sqlite::sqlite3_file,
        open: *mut Open,
    }

    static METHODS: sqlite::sqlite3_io_methods = sqlite::sqlite3_io_methods {
        iVersion: 1,
        xClose: Some(close),
        xRead: Some(read),
        xWrite: Some(write),
        xTruncate: Some(truncate),
        xSync: Some(sync),
        xFileSize: Some(size),
        xLock: Some(lock),
        xUnlock: Some(lock),
        xCheckReservedLock: Some(is_reserved),
        xFileControl: Some(control),
        xSectorSize: Some(sector_bytes),
        xDeviceCharacteristics: Some(promises),
        xShmMap: None,
        xShmLock: None,
        xShmBarrier: None,
        xShmUnmap: None,
        xFetch: None,
        xUnfetch: None,
    };

    pub(super) fn register() {
        // SAFETY: the default VFS is there for ever; ours is leaked on purpose, and registered once.
        unsafe {
            sqlite::sqlite3_initialize();
            let default = sqlite::sqlite3_vfs_find(std::ptr::null());
            let vfs = Box::leak(Box::new(*default));
            vfs.szOsFile = size_of::<File>() as c_int;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = c"failing-disk".as_ptr();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            vfs.xAccess = Some(access);
            vfs.xFullPathname = Some(full_path);
            assert_eq!(sqlite::sqlite3_vfs_register(vfs, 0), sqlite::SQLITE_OK);
        }
    }

    /// # Safety
    /// A string of C that lives as long as it is looked at.
    unsafe fn text<'a>(path: *const c_char) -> Option<&'a str> {
        if path.is_null() {
            return None;
        }
        // SAFETY: as the caller promises.
        unsafe { CStr::from_ptr(path) }.to_str().ok()
    }

    /// # Safety
    /// A file that `open` has opened and nobody has closed.
    unsafe fn opened<'a>(file: *mut sqlite::sqlite3_file) -> &'a mut Open {
        // SAFETY: SQLite gives each file that it opened back, to one thread at a time.
        unsafe { &mut *(*file.cast::<File>()).open }
    }

    unsafe extern "C" fn open(
        _: *mut sqlite::sqlite3_vfs,
        path: sqlite::sqlite3_filename,
        file: *mut sqlite::sqlite3_file,
        flags: c_int,
        flags_out: *mut c_int,
    ) -> c_int {
        // SAFETY: `file` has room for a `File`; SQLite calls no method of one without methods.
        unsafe {
            (*file).pMethods = std::ptr::null();
            let Some(open) = text(path).and_then(|path| super::open(path, flags)) else {
                return sqlite::SQLITE_CANTOPEN;
            };
            (*file.cast::<File>()).open = Box::into_raw(Box::new(open));
            (*file).pMethods = &raw const METHODS;
            if !flags_out.is_null() {
                *flags_out = flags;
            }
        }
        sqlite::SQLITE_OK
    }

    unsafe extern "C" fn close(file: *mut sqlite::sqlite3_file) -> c_int {
        // SAFETY: it was made by `open`, and is closed once.
        drop(unsafe { Box::from_raw((*file.cast::<File>()).open) });
        sqlite::SQLITE_OK
    }

    unsafe extern "C" fn read(
        file: *mut sqlite::sqlite3_file,
        into: *mut c_void,
        bytes: c_int,
        offset: i64,
    ) -> c_int {
        // SAFETY: `into` has room for so many bytes.
        unsafe {
            let into = std::slice::from_raw_parts_mut(into.cast::<u8>(), bytes as usize);
            opened(file).read(into, offset as u64)
        }
    }

    unsafe extern "C" fn write(
        file: *mut sqlite::sqlite3_file,
        from: *const c_void,
        bytes: c_int,
        offset: i64,
    ) -> c_int {
        // SAFETY: `from` has so many bytes.
        unsafe {
            let from = std::slice::from_raw_parts(from.cast::<u8>(), bytes as usize);
            opened(file).write(from, offset as u64)
        }
    }

    unsafe extern "C" fn truncate(file: *mut sqlite::sqlite3_file, bytes: i64) -> c_int {
        // SAFETY: an open file.
        match unsafe { opened(file) }.file.truncate(bytes as u64) {
            Ok(()) => sqlite::SQLITE_OK,
            Err(_) => sqlite::SQLITE_IOERR_TRUNCATE,
        }
    }

    unsafe extern "C" fn sync(file: *mut sqlite::sqlite3_file, _: c_int) -> c_int {
        // SAFETY: an open file.
        unsafe { opened(file) }.sync()
    }

    unsafe extern "C" fn size(file: *mut sqlite::sqlite3_file, bytes: *mut i64) -> c_int {
        // SAFETY: an open file, and room for its size.
        unsafe {
            match opened(file).file.bytes() {
                Ok(is) => {
                    *bytes = is as i64;
                    sqlite::SQLITE_OK
                }
                Err(_) => sqlite::SQLITE_IOERR_FSTAT,
            }
        }
    }

    unsafe extern "C" fn lock(_: *mut sqlite::sqlite3_file, _: c_int) -> c_int {
        sqlite::SQLITE_OK
    }

    unsafe extern "C" fn is_reserved(_: *mut sqlite::sqlite3_file, is: *mut c_int) -> c_int {
        // SAFETY: room for the answer.
        unsafe { *is = 0 };
        sqlite::SQLITE_OK
    }

    unsafe extern "C" fn control(_: *mut sqlite::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
        sqlite::SQLITE_NOTFOUND
    }

    unsafe extern "C" fn sector_bytes(_: *mut sqlite::sqlite3_file) -> c_int {
        512
    }

    unsafe extern "C" fn promises(_: *mut sqlite::sqlite3_file) -> c_int {
        sqlite::SQLITE_IOCAP_POWERSAFE_OVERWRITE
    }

    unsafe extern "C" fn delete(
        _: *mut sqlite::sqlite3_vfs,
        path: *const c_char,
        sync_folder: c_int,
    ) -> c_int {
        // SAFETY: a path, as SQLite calls it.
        match unsafe { text(path) } {
            Some(path) => super::delete(path, sync_folder != 0),
            None => sqlite::SQLITE_IOERR_DELETE,
        }
    }

    unsafe extern "C" fn access(
        _: *mut sqlite::sqlite3_vfs,
        path: *const c_char,
        _: c_int,
        is: *mut c_int,
    ) -> c_int {
        // SAFETY: a path, as SQLite calls it, and room for the answer.
        unsafe {
            let found = text(path).and_then(find);
            let is_there = found.is_some_and(|(on, path)| on.disk.open(&path, false).is_ok());
            *is = c_int::from(is_there);
        }
        sqlite::SQLITE_OK
    }

    unsafe extern "C" fn full_path(
        _: *mut sqlite::sqlite3_vfs,
        path: *const c_char,
        room: c_int,
        into: *mut c_char,
    ) -> c_int {
        // SAFETY: `into` has so much room, and the path ends with a zero.
        unsafe {
            let path = CStr::from_ptr(path).to_bytes_with_nul();
            if path.len() > room as usize {
                return sqlite::SQLITE_CANTOPEN;
            }
            std::ptr::copy_nonoverlapping(path.as_ptr().cast(), into, path.len());
        }
        sqlite::SQLITE_OK
    }
}

use calls::register;
