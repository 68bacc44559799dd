//! What stands before the C library's own functions in a process under test: faults that cannot be had otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A library of this C text, in a folder, for `LD_PRELOAD`.
pub(crate) fn shim(folder: &Path, text: &str) -> PathBuf {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, text).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .unwrap_or_else(|error| panic!("this test needs a C compiler: {error}"));
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    library
}
